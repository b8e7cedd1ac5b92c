//! A log and shards of a test's own, orders in the log, and a writer in this process.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use clap::Parser;
use forebay_log::{Frame, FrameId, Log, LogSettings};
use forebay_model::{Facts, Hash, Lane, OrderParser, Position, ShardId, ShardMap, Timestamp, ViewSet};
use forebay_service::Service;
use forebay_service::lifecycle::Outcome;
use forebay_stack::{Shared, shared};
use forebay_writer::Settings;
use serde_json::Value;
use tokio::net::TcpListener;

pub(crate) const DEADLINE: Duration = Duration::from_secs(40);

pub(crate) struct Scene {
    pub(crate) stack: &'static Shared,
    pub(crate) urls: Vec<String>,
    pub(crate) log: Log,
    map: ShardMap,
    parser: OrderParser,
}

/// A writer in this process.
pub(crate) struct Writer {
    address: SocketAddr,
    service: Service,
    http: reqwest::Client,
}

impl Scene {
    pub(crate) async fn new(name: &str, shards: usize) -> Self {
        let stack = shared().await;
        let urls = stack.create_databases(shards, name).await;
        let prefix = stack.unique_prefix(name).parse().unwrap();
        let log =
            Log::connect(LogSettings { stream_bytes_max: 64 << 20, ..LogSettings::new(stack.nats_url(), prefix) });
        let log = log.await.unwrap();
        let map = ShardMap::even(NonZeroU16::new(shards as u16).unwrap(), Hash::Md5);
        let views: ViewSet = "seller=items[].seller_id".parse().unwrap();
        Self { stack, urls, log, map, parser: OrderParser::new(views, 86_400_000_000) }
    }

    /// The flags that make a writer work here.
    pub(crate) fn flags(&self) -> Vec<String> {
        let LogSettings { url, name, .. } = self.log.settings();
        let flags =
            ["--listen", "127.0.0.1:0", "--nats", url, "--log-prefix", name.as_str(), "--stream-bytes-max", "64MiB"];
        let mut flags: Vec<String> = flags.map(str::to_owned).into();
        flags.extend(["--shards".to_owned(), self.urls.join(",")]);
        flags
    }

    pub(crate) async fn writer(&self, more: &[&str]) -> Writer {
        let flags = self.flags();
        let args = ["forebay-writer"].into_iter().chain(flags.iter().map(String::as_str)).chain(more.iter().copied());
        Writer::start(&Settings::try_parse_from(args).unwrap()).await
    }

    /// Streams and map, as a writer makes them: for orders that are there before the first writer.
    pub(crate) async fn prepare_log(&self) {
        self.log.ensure_streams(self.map.shards(), &Lane::ALL).await.unwrap();
        self.log.create_map_if_absent(&self.map).await.unwrap();
    }

    /// Logs the orders of those numbers, each with an index entry and a view, and gives how many rows those are.
    pub(crate) async fn log_orders(&self, numbers: std::ops::Range<u32>) -> u64 {
        let mut rows = 0;
        let numbers: Vec<u32> = numbers.collect();
        for chunk in numbers.chunks(500) {
            let mut facts = Facts::default();
            for number in chunk {
                let json = order(*number);
                let draft = self.parser.parse(json.as_bytes(), Timestamp::now()).unwrap();
                facts.add(&draft.settle(&self.map, Timestamp::now(), 0), &self.map);
            }
            for part in facts.into_parts() {
                rows += u64::from(part.rows);
                self.log_frame(part.lane, part.shard, part.rows, part.tuples).await;
            }
        }
        rows
    }

    /// Logs the orders of those numbers alone, without index and views, in one frame; in the order with the number
    /// `poison`, which has nine digits, the price is one that no `jsonb` holds.
    pub(crate) async fn log_poisoned(&self, numbers: &[u32], poison: u32) -> u64 {
        let mut facts = Facts::default();
        for number in numbers {
            let json = order(*number);
            let draft = self.parser.parse(json.as_bytes(), Timestamp::now()).unwrap();
            facts.add(&draft.settle(&self.map, Timestamp::now(), 0), &self.map);
        }
        let part = facts.into_parts().into_iter().find(|part| part.lane == Lane::Orders).unwrap();
        assert_eq!(part.rows as usize, numbers.len());
        let (good, bad) = (format!("\"price\":{poison}"), "\"price\":1e9999999");
        let mut payload = part.tuples;
        let at = payload.windows(good.len()).position(|bytes| bytes == good.as_bytes()).unwrap();
        payload[at..at + good.len()].copy_from_slice(bad.as_bytes());
        self.log_frame(part.lane, part.shard, part.rows, payload).await;
        u64::from(part.rows)
    }

    pub(crate) async fn log_frame(&self, lane: Lane, shard: ShardId, rows: u32, payload: Vec<u8>) -> Position {
        let frame = Frame {
            lane,
            rows,
            epoch: self.map.epoch(),
            enqueued_at: Timestamp::now(),
            id: FrameId::random(),
            payload: payload.into(),
        };
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        self.log.publish(shard, &frame, deadline).await.unwrap()
    }

    pub(crate) async fn sql(&self, shard: usize, statement: &str) -> String {
        self.stack.sql(&self.urls[shard], statement).await.unwrap().trim().to_owned()
    }

    /// The sum over the shards of a statement that gives one number; tables that are not there yet count nothing.
    pub(crate) async fn sum(&self, statement: &str) -> u64 {
        let mut sum = 0;
        for url in &self.urls {
            sum += self.stack.sql(url, statement).await.ok().and_then(|n| n.trim().parse::<u64>().ok()).unwrap_or(0);
        }
        sum
    }

    pub(crate) async fn orders(&self) -> u64 {
        self.sum("select count(*) from orders").await
    }

    /// Waits until that many orders are stored, and every fact of them, and checks that the sums agree.
    pub(crate) async fn stored(&self, orders: u64) {
        eventually(&format!("{orders} orders are stored"), async || {
            let now = self.orders().await;
            (now == orders, format!("{now} orders"))
        })
        .await;
        eventually("every lane is drained", async || self.is_drained().await).await;
        for table in ["order_index", "order_views"] {
            assert_eq!(self.sum(&format!("select count(*) from {table}")).await, orders, "{table}");
        }
        let twice = "select count(*) from (select order_id from orders group by 1 having count(*) > 1) x";
        assert_eq!(self.sum(twice).await, 0, "orders that are stored twice");
    }

    async fn is_drained(&self) -> (bool, String) {
        for (shard, _) in self.urls.iter().enumerate() {
            for lane in Lane::ALL {
                let last = self.log.stream_state(lane, ShardId(shard as u16)).await.unwrap().last_seq;
                let at = self.sql(shard, &format!("select stream_seq from lane_position where lane = '{lane}'")).await;
                if at != last.to_string() && !(at.is_empty() && last == 0) {
                    return (false, format!("{lane}-{shard} is at {at:?} of {last}"));
                }
            }
        }
        (true, String::new())
    }

    /// The sum that must always hold: rows of the log up to the position = stored + duplicate + dead.
    pub(crate) async fn assert_sums(&self, rows: u64) {
        assert_eq!(self.sum("select sum(rows_stored + rows_duplicate + rows_dead) from lane_position").await, rows);
    }
}

fn order(number: u32) -> String {
    let day = number % 28 + 1;
    format!(
        "{{\"customer_id\":\"CUST{}\",\"order_id\":\"ORD{number}\",\"timestamp\":\"2025-06-{day:02}T12:30:00Z\",\
         \"items\":[{{\"sku\":\"A\",\"quantity\":1,\"price\":{number},\"seller_id\":\"S{}\"}}]}}",
        number % 97,
        number % 7
    )
}

impl Writer {
    pub(crate) async fn start(settings: &Settings) -> Self {
        let service = Service::new(&settings.service).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        service.serve(listener, forebay_writer::start(settings, &service).unwrap());
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { address, service, http: reqwest::Client::new() }
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.http.get(format!("http://{}{path}", self.address)).send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// The lanes as `/v1/lanes` has them.
    pub(crate) async fn lanes(&self) -> Vec<Value> {
        self.get("/v1/lanes").await.1["lanes"].as_array().unwrap().clone()
    }

    pub(crate) async fn lane(&self, lane: Lane, shard: u16) -> Value {
        let lanes = self.lanes().await;
        lanes.into_iter().find(|row| row["lane"] == lane.as_str() && row["shard"] == shard).unwrap()
    }

    /// How many lanes are in a state.
    pub(crate) async fn count(&self, state: &str) -> usize {
        self.lanes().await.iter().filter(|lane| lane["state"] == state).count()
    }

    pub(crate) async fn has(&self, state: &str, lanes: usize) {
        eventually(&format!("{lanes} lanes are {state}"), async || {
            (self.count(state).await == lanes, format!("{:?}", self.lanes().await))
        })
        .await;
    }

    pub(crate) async fn stop(self) {
        self.service.shutdown().start();
        assert_eq!(self.service.lifecycle.run().await, Outcome::Drained);
    }
}

/// Waits until something holds; it says what it sees instead.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> (bool, String)) {
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
