//! A log, shards and a writer of a test's own, and the commands by which operators look after them.

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Parser;
use forebay_log::{Frame, FrameId, Log, LogSettings};
use forebay_model::{Facts, Hash, Lane, OrderParser, ShardId, ShardMap, Timestamp, ViewSet};
use forebay_service::Service;
use forebay_service::lifecycle::Outcome;
use forebay_stack::{Shared, shared};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::forebay::{Forebay, Ran};

const DEADLINE: Duration = Duration::from_secs(40);

pub(crate) struct Operated {
    pub(crate) log: Log,
    stack: &'static Shared,
    urls: Vec<String>,
    map: ShardMap,
    forebay: Forebay,
    writer: Option<Service>,
}

impl Operated {
    /// Streams, map and tables. No writer yet.
    pub(crate) async fn idle(name: &str, shards: usize) -> Self {
        let stack = shared().await;
        let urls = stack.create_databases(shards, name).await;
        for url in &urls {
            forebay_shard::migrate(&url.parse().unwrap()).await.unwrap();
        }
        let prefix = stack.unique_prefix(name).parse().unwrap();
        let settings = LogSettings { stream_bytes_max: 64 << 20, ..LogSettings::new(stack.nats_url(), prefix) };
        let log = Log::connect(settings).await.unwrap();
        let map = ShardMap::even(NonZeroU16::new(shards as u16).unwrap(), Hash::Md5);
        log.ensure_streams(map.shards(), &Lane::ALL).await.unwrap();
        log.create_map_if_absent(&map).await.unwrap();
        Self { log, stack, urls, map, forebay: Forebay::new(), writer: None }
    }

    pub(crate) async fn new(name: &str, shards: usize) -> Self {
        let mut operated = Self::idle(name, shards).await;
        operated.start_writer().await;
        operated
    }

    pub(crate) async fn start_writer(&mut self) {
        let listen = ["forebay-writer", "--listen", "127.0.0.1:0", "--stream-bytes-max", "64MiB"];
        let arguments = listen.iter().map(|&flag| flag.to_owned()).chain(self.flags());
        let settings = forebay_writer::Settings::try_parse_from(arguments).unwrap();
        let service = Service::new(&settings.service).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        service.serve(listener, forebay_writer::start(&settings, &service).unwrap());
        self.writer = Some(service);
    }

    pub(crate) async fn stop_writer(&mut self) {
        if let Some(service) = self.writer.take() {
            service.shutdown().start();
            assert_eq!(service.lifecycle.run().await, Outcome::Drained);
        }
    }

    fn flags(&self) -> Vec<String> {
        let LogSettings { url, name, .. } = self.log.settings();
        let shards = self.urls.join(",");
        ["--nats", url, "--log-prefix", name.as_str(), "--shards", &shards].map(str::to_owned).into()
    }

    /// Runs the command on this system.
    pub(crate) async fn run(&self, command: &[&str]) -> Ran {
        let flags = self.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        self.forebay.run(&[command, &flags].concat()).await
    }

    /// Its standard output as JSON, where it ends with that exit code.
    pub(crate) async fn json(&self, command: &[&str], code: i32) -> Value {
        let ran = self.run(&[command, &["--json"]].concat()).await;
        assert_eq!(ran.code, Some(code), "{ran:?}");
        ran.summary()
    }

    /// Logs orders with all of their facts, as ingest does.
    pub(crate) async fn log_orders(&self, orders: &[String]) {
        let parts = self.parts(orders);
        for lane in Lane::ALL {
            for part in parts.iter().filter(|part| part.lane == lane) {
                self.log_frame(lane, part.shard, part.rows, part.tuples.clone()).await;
            }
        }
    }

    /// The facts of orders, by lane and shard.
    pub(crate) fn parts(&self, orders: &[String]) -> Vec<forebay_model::fact::Part> {
        let views: ViewSet = "seller=items[].seller_id".parse().unwrap();
        let parser = OrderParser::new(views, 86_400_000_000);
        let mut facts = Facts::default();
        for json in orders {
            let draft = parser.parse(json.as_bytes(), Timestamp::now()).unwrap();
            facts.add(&draft.settle(&self.map, Timestamp::now(), 0), &self.map);
        }
        facts.into_parts()
    }

    pub(crate) async fn log_frame(&self, lane: Lane, shard: ShardId, rows: u32, payload: Vec<u8>) {
        let frame = Frame {
            lane,
            rows,
            epoch: self.map.epoch(),
            enqueued_at: Timestamp::now(),
            id: FrameId::random(),
            payload: Bytes::from(payload),
        };
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        self.log.publish(shard, &frame, deadline).await.unwrap();
    }

    /// A client of the log that knows nothing of Forebay.
    pub(crate) async fn jetstream(&self) -> async_nats::jetstream::Context {
        async_nats::jetstream::new(async_nats::connect(self.stack.nats_url()).await.unwrap())
    }

    pub(crate) fn stream(&self, lane: Lane, shard: u16) -> String {
        self.log.settings().name.stream(lane, ShardId(shard))
    }

    pub(crate) async fn sql(&self, shard: usize, statement: &str) -> String {
        self.stack.sql(&self.urls[shard], statement).await.unwrap().trim().to_owned()
    }

    /// Runs a statement on every shard.
    pub(crate) async fn sql_everywhere(&self, statement: &str) {
        for shard in 0..self.urls.len() {
            self.sql(shard, statement).await;
        }
    }

    /// The sum over the shards of a statement that gives one number.
    pub(crate) async fn sum(&self, statement: &str) -> u64 {
        let mut sum = 0;
        for shard in 0..self.urls.len() {
            sum += self.sql(shard, statement).await.parse::<u64>().unwrap();
        }
        sum
    }

    /// Waits until every lane has committed what its log holds.
    pub(crate) async fn drained(&self) {
        for shard in 0..self.urls.len() {
            for lane in Lane::ALL {
                self.eventually(&format!("{lane}-{shard} is drained"), async || self.is_drained(lane, shard).await)
                    .await;
            }
        }
    }

    async fn is_drained(&self, lane: Lane, shard: usize) -> (bool, String) {
        let last = self.log.stream_state(lane, ShardId(shard as u16)).await.unwrap().last().to_string();
        let at = format!("select incarnation || '.' || stream_seq from lane_position where lane = '{lane}'");
        let at = self.sql(shard, &at).await;
        (at == last || (at.is_empty() && last.ends_with(".0")), format!("{at} of {last}"))
    }

    /// Waits until something holds; it says what it sees instead.
    pub(crate) async fn eventually(&self, what: &str, mut holds: impl AsyncFnMut() -> (bool, String)) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let (is_so, seen) = holds().await;
            if is_so {
                return;
            }
            assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}; last seen: {seen}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// An order of a customer, of one item.
pub(crate) fn order(customer: &str, id: &str, price: u32) -> String {
    order_at(customer, id, price, "2025-06-30T12:30:00Z")
}

pub(crate) fn order_at(customer: &str, id: &str, price: u32, at: &str) -> String {
    format!(
        "{{\"customer_id\":\"{customer}\",\"order_id\":\"{id}\",\"timestamp\":\"{at}\",\"note\":\"{id}\",\
         \"items\":[{{\"sku\":\"A\",\"quantity\":2,\"price\":{price},\"seller_id\":\"S{}\"}}]}}",
        price % 5
    )
}

/// Orders of several customers.
pub(crate) fn orders(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers
        .map(|n| {
            order_at(
                &format!("CUST{}", n % 13),
                &format!("ORD{n}"),
                100 + n,
                &format!("2025-06-{:02}T00:00:00Z", n % 28 + 1),
            )
        })
        .collect()
}

/// The same bytes with some replaced by as many others.
pub(crate) fn patched(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|window| window == from).expect("the bytes to be replaced");
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}
