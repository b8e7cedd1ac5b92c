//! An ingest service in this process, on a log of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use clap::Parser;
use forebay_ingest::Settings;
use forebay_log::{Log, LogSettings};
use forebay_model::Lane;
use forebay_testkit::log::{even_map, order_ids, settings, start};
use forebay_testkit::service::Served;
use serde_json::Value;

const SHARDS: usize = 3;

/// A log, and an ingest service that may be stopped and started again at the same address.
pub(crate) struct Ingest {
    pub(crate) address: SocketAddr,
    log: Log,
    served: Option<Served>,
}

impl Ingest {
    /// A new log, and an address at which nobody listens yet.
    pub(crate) async fn absent(name: &str) -> Self {
        let log = start(settings(name).await, &even_map(SHARDS)).await;
        let address = SocketAddr::from(([127, 0, 0, 1], forebay_stack::free_ports(1)[0]));
        Self { address, log, served: None }
    }

    pub(crate) async fn start(name: &str, flags: &[&str]) -> Self {
        let mut ingest = Self::absent(name).await;
        ingest.serve(flags).await;
        ingest
    }

    /// The system has one more view. To be called before it listens, so that it has it from the start.
    pub(crate) async fn add_view(&self, view: &str) {
        let map = self.log.read_map().await.unwrap();
        let mut settings = map.settings().clone();
        settings.views.add(view.parse().unwrap()).unwrap();
        self.log.update_map(&map.next_with(settings)).await.unwrap();
    }

    /// Listens from now on.
    pub(crate) async fn serve(&mut self, flags: &[&str]) {
        let LogSettings { url, name, .. } = self.log.settings();
        let fixed = ["forebay-ingest", "--nats", url, "--log-prefix", name.as_str()];
        let settings = Settings::try_parse_from(fixed.iter().chain(flags)).unwrap();
        let start = |service: &_| forebay_ingest::start(&settings, service).unwrap();
        let served = Served::start_at(self.address, &settings.service, start).await;
        served.ready_without(&[]).await;
        self.served = Some(served);
    }

    /// Drains, and listens no more.
    pub(crate) async fn stop(&mut self) {
        self.served.take().unwrap().stop().await;
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The orders that lie in the log: for each id how often.
    pub(crate) async fn logged(&self) -> BTreeMap<String, usize> {
        self.logged_of(Lane::Orders).await
    }

    /// The same, of what lies there in any lane.
    pub(crate) async fn logged_of(&self, lane: Lane) -> BTreeMap<String, usize> {
        order_ids(&self.log, lane, SHARDS).await
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
