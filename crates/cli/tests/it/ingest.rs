//! An ingest service in this process, on a log of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use clap::Parser;
use forebay_ingest::Settings;
use forebay_log::{Log, LogSettings};
use forebay_model::tuple::Tuples;
use forebay_model::{Hash, Lane, ShardId, ShardMap};
use forebay_service::Service;
use serde_json::Value;
use tokio::net::TcpListener;

/// A log, and an ingest service that may be stopped and started again at the same address.
pub(crate) struct Ingest {
    pub(crate) address: SocketAddr,
    log: Log,
    service: Option<Service>,
}

impl Ingest {
    /// A new log, and an address at which nobody listens yet.
    pub(crate) async fn absent(name: &str) -> Self {
        let shared = forebay_stack::shared().await;
        let settings = LogSettings::new(shared.nats_url(), shared.unique_prefix(name).parse().unwrap());
        let log = Log::connect(settings).await.unwrap();
        let map = ShardMap::even(NonZeroU16::new(3).unwrap(), Hash::Md5);
        log.ensure_streams(map.shards(), &Lane::ALL).await.unwrap();
        log.create_map_if_absent(&map).await.unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], forebay_stack::free_ports(1)[0]));
        Self { address, log, service: None }
    }

    pub(crate) async fn start(name: &str, flags: &[&str]) -> Self {
        let mut ingest = Self::absent(name).await;
        ingest.serve(flags).await;
        ingest
    }

    /// Listens from now on.
    pub(crate) async fn serve(&mut self, flags: &[&str]) {
        let LogSettings { url, name, .. } = self.log.settings();
        let fixed = ["forebay-ingest", "--nats", url, "--log-prefix", name.as_str()];
        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings = Settings::try_parse_from(fixed.iter().chain(flags)).unwrap();
        let service = Service::new(&settings.service).unwrap();
        let listener = TcpListener::bind(self.address).await.unwrap();
        service.serve(listener, forebay_ingest::start(&settings, &service).unwrap());
        self.service = Some(service);
        let begin = Instant::now();
        while !reqwest::get(format!("{}/readyz", self.url())).await.unwrap().status().is_success() {
            assert!(begin.elapsed() < Duration::from_secs(20), "ingest is not ready");
        }
    }

    /// Drains, and listens no more.
    pub(crate) async fn stop(&mut self) {
        let service = self.service.take().unwrap();
        service.shutdown().start();
        let _ = service.lifecycle.run().await;
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The orders that lie in the log: for each id how often.
    pub(crate) async fn logged(&self) -> BTreeMap<String, usize> {
        let lane = Lane::Orders;
        let mut ids = BTreeMap::new();
        for shard in (0..3).map(ShardId) {
            for seq in 1..=self.log.stream_state(lane, shard).await.unwrap().last_seq {
                let frame = self.log.frame(lane, shard, seq).await.unwrap().unwrap().frame.unwrap();
                for tuple in Tuples::new(lane, &frame.payload) {
                    let id = String::from_utf8(tuple.unwrap().field(3).to_vec()).unwrap();
                    *ids.entry(id).or_default() += 1;
                }
            }
        }
        ids
    }

    /// How many rows the orders lane has, duplicates and all.
    pub(crate) async fn rows(&self) -> usize {
        self.logged().await.values().sum()
    }

    /// Asserts that exactly these orders lie in the log, each at least once.
    pub(crate) async fn assert_logged(&self, orders: &[Value]) {
        let logged = self.logged().await;
        let missing = orders.iter().filter(|order| !logged.contains_key(order["order_id"].as_str().unwrap())).count();
        assert_eq!((missing, logged.len()), (0, orders.len()), "missing and logged");
    }
}
