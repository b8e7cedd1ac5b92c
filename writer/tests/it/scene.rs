//! A log and shards of a test's own, orders in the log, and a writer in this process.

use std::ops::Range;

use clap::Parser;
use forebay_log::{Log, LogSettings};
use forebay_model::{Lane, Position, ShardId, ShardMap, StreamId};
use forebay_testkit::log::{STREAM_BYTES_MAX, even_map, facts, frame, prepare, publish, settings};
use forebay_testkit::order::{numbered, patched};
use forebay_testkit::service::Served;
use forebay_testkit::{Databases, eventually};
use forebay_writer::Settings;
use serde_json::Value;

pub(crate) struct Scene {
    pub(crate) shards: Databases,
    pub(crate) log: Log,
    map: ShardMap,
}

/// A writer in this process.
pub(crate) struct Writer {
    pub(crate) served: Served,
}

impl Scene {
    pub(crate) async fn new(name: &str, shards: usize) -> Self {
        Self::on(settings(name).await, name, shards).await
    }

    pub(crate) async fn on(log: LogSettings, name: &str, shards: usize) -> Self {
        let log = Log::connect(log).await.unwrap();
        Self { shards: Databases::new(name, shards).await, log, map: even_map(shards) }
    }

    /// The flags that make a writer work here.
    pub(crate) fn flags(&self) -> Vec<String> {
        let LogSettings { url, name, .. } = self.log.settings();
        let (bytes_max, shards) = (STREAM_BYTES_MAX.to_string(), self.shards.urls.join(","));
        let log = ["--nats", url, "--log-prefix", name.as_str(), "--stream-bytes-max", &bytes_max];
        let others = ["--listen", "127.0.0.1:0", "--shards", &shards];
        log.into_iter().chain(others).map(str::to_owned).collect()
    }

    pub(crate) async fn writer(&self, more: &[&str]) -> Writer {
        let more = more.iter().map(|&flag| flag.to_owned());
        Writer::start(self.flags().into_iter().chain(more)).await
    }

    /// Streams and map, as a writer makes them: for orders that are there before the first writer.
    pub(crate) async fn prepare_log(&self) {
        prepare(&self.log, &self.map).await;
    }

    /// Logs the orders of those numbers, each with an index entry and a view, and gives how many rows those are.
    pub(crate) async fn log_orders(&self, numbers: Range<u32>) -> u64 {
        let mut rows = 0;
        let numbers: Vec<u32> = numbers.collect();
        for chunk in numbers.chunks(500) {
            for part in facts(chunk.iter().copied().map(numbered), &self.map) {
                rows += u64::from(part.rows);
                self.log_frame(part.stream, part.rows, part.tuples).await;
            }
        }
        rows
    }

    /// Logs the orders of those numbers alone, without index and views, in one frame; in the order with the number
    /// `poison`, which has nine digits, the price is one that no `jsonb` holds.
    pub(crate) async fn log_poisoned(&self, numbers: &[u32], poison: u32) -> u64 {
        let parts = facts(numbers.iter().copied().map(numbered), &self.map);
        let part = parts.into_iter().find(|part| part.stream.lane == Lane::Orders).unwrap();
        assert_eq!(part.rows as usize, numbers.len());
        let payload = patched(part.tuples, format!("\"price\":{poison}").as_bytes(), b"\"price\":1e9999999");
        self.log_frame(part.stream, part.rows, payload).await;
        u64::from(part.rows)
    }

    pub(crate) async fn log_frame(&self, stream: StreamId, rows: u32, payload: Vec<u8>) -> Position {
        publish(&self.log, stream.shard, &frame(stream.lane, rows, payload)).await
    }

    pub(crate) async fn orders(&self) -> u64 {
        self.shards.sum("select count(*) from orders").await
    }

    /// Waits until that many orders are stored, and every fact of them, and checks that the sums agree.
    pub(crate) async fn stored(&self, orders: u64) {
        eventually(&format!("{orders} orders are stored"), async || {
            let now = self.orders().await;
            (now == orders, now)
        })
        .await;
        self.are_drained(|_| true).await;
        for table in ["order_index", "order_views"] {
            assert_eq!(self.shards.sum(&format!("select count(*) from {table}")).await, orders, "{table}");
        }
        let twice = "select count(*) from (select order_id from orders group by 1 having count(*) > 1) x";
        assert_eq!(self.shards.sum(twice).await, 0, "orders that are stored twice");
    }

    /// Waits until these lanes have committed what their logs hold.
    pub(crate) async fn are_drained(&self, these: impl Fn(StreamId) -> bool) {
        eventually("the lanes are drained", async || self.is_drained(&these).await).await;
    }

    /// The rows of the frames of a stream behind one. Nothing is trimmed there, and nothing damaged.
    pub(crate) async fn rows_behind(&self, stream: StreamId, seq: u64) -> u64 {
        let mut rows = 0;
        for seq in seq + 1..=self.log.stream_state(stream).await.unwrap().last_seq {
            rows += u64::from(self.log.frame(stream, seq).await.unwrap().unwrap().unwrap().rows());
        }
        rows
    }

    async fn is_drained(&self, these: impl Fn(StreamId) -> bool) -> (bool, String) {
        for shard in 0..self.shards.urls.len() {
            for lane in Lane::ALL.into_iter().filter(|lane| these(lane.on(ShardId(shard as u16)))) {
                let last = self.log.stream_state(lane.on(ShardId(shard as u16))).await.unwrap().last_seq;
                let at = format!("select stream_seq from lane_position where lane = '{lane}'");
                let at = self.shards.sql(shard, &at).await;
                if at != last.to_string() && !(at.is_empty() && last == 0) {
                    return (false, format!("{lane}-{shard} is at {at:?} of {last}"));
                }
            }
        }
        (true, String::new())
    }

    /// The sum that must always hold: rows of the log up to the position = stored + duplicate + dead.
    pub(crate) async fn assert_sums(&self, rows: u64) {
        let sum = "select sum(rows_stored + rows_duplicate + rows_dead) from lane_position";
        assert_eq!(self.shards.sum(sum).await, rows);
    }
}

impl Writer {
    pub(crate) async fn start(flags: impl Iterator<Item = String>) -> Self {
        let settings = Settings::try_parse_from(std::iter::once("forebay-writer".to_owned()).chain(flags)).unwrap();
        let start = |service: &_| forebay_writer::start(&settings, service).unwrap();
        Self { served: Served::start(&settings.service, start).await }
    }

    /// The lanes as `/v1/lanes` has them.
    pub(crate) async fn lanes(&self) -> Vec<Value> {
        self.served.get("/v1/lanes").await.ok()["lanes"].as_array().unwrap().clone()
    }

    pub(crate) async fn lane(&self, lane: Lane, shard: u16) -> Value {
        let lanes = self.lanes().await;
        lanes.into_iter().find(|row| row["lane"] == lane.as_str() && row["shard"] == shard).unwrap()
    }

    /// Waits until that many lanes are in a state.
    pub(crate) async fn has(&self, state: &str, lanes: usize) {
        eventually(&format!("{lanes} lanes are {state}"), async || {
            let all = self.lanes().await;
            (all.iter().filter(|lane| lane["state"] == state).count() == lanes, all)
        })
        .await;
    }

    pub(crate) async fn stop(self) {
        self.served.stop().await;
    }
}
