//! A log and shards of a test's own, orders in the log, and a writer in this process.

use std::ops::Range;
use std::process::{Child, ChildStderr, Command, Stdio};

use clap::Parser;
use forebay_log::{Log, LogSettings};
use forebay_model::{Lane, Position, ShardId, ShardMap, StreamId, StreamKind};
use forebay_shard::ShardList;
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
        let map = even_map(shards);
        let shards = Databases::new(name, shards).await;
        let list: ShardList = shards.urls.join(",").parse().unwrap();
        Self { shards, log, map: map.with_members(list.members()) }
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

    /// Logs the orders of those numbers, of each of which an index entry and a view follow, and gives how many they are.
    pub(crate) async fn log_orders(&self, numbers: Range<u32>) -> u64 {
        let mut rows = 0;
        let numbers: Vec<u32> = numbers.collect();
        for chunk in numbers.chunks(500) {
            for part in facts(chunk.iter().copied().map(numbered), &self.map) {
                rows += u64::from(part.rows);
                self.log_frame(part.lane, part.shard, part.rows, part.tuples).await;
            }
        }
        rows
    }

    /// Logs orders as they stand there.
    pub(crate) async fn log_json(&self, orders: impl IntoIterator<Item = Value>) {
        for part in facts(orders, &self.map) {
            self.log_frame(part.lane, part.shard, part.rows, part.tuples).await;
        }
    }

    /// Logs the orders of those numbers in one frame; in the order with the number
    /// `poison`, which has nine digits, the price is one that no `jsonb` holds.
    pub(crate) async fn log_poisoned(&self, numbers: &[u32], poison: u32) -> u64 {
        let parts = facts(numbers.iter().copied().map(numbered), &self.map);
        let part = parts.into_iter().next().unwrap();
        assert_eq!(part.rows as usize, numbers.len());
        let payload = patched(part.tuples, format!("\"price\":{poison}").as_bytes(), b"\"price\":1e9999999");
        self.log_frame(part.lane, part.shard, part.rows, payload).await;
        u64::from(part.rows)
    }

    pub(crate) async fn log_frame(&self, lane: Lane, shard: ShardId, rows: u32, payload: Vec<u8>) -> Position {
        publish(&self.log, shard, &frame(lane, rows, payload)).await
    }

    pub(crate) async fn orders(&self) -> u64 {
        self.shards.sum("select count(*) from orders").await
    }

    /// Waits until that many orders are stored, and everything that follows from them.
    pub(crate) async fn stored(&self, orders: u64) {
        eventually(&format!("{orders} orders are stored"), async || {
            let now = self.orders().await;
            (now == orders, now)
        })
        .await;
        eventually("everything is drained and derived", async || self.is_at_rest().await).await;
        for table in ["order_index", "order_views"] {
            assert_eq!(self.shards.sum(&format!("select count(*) from {table}")).await, orders, "{table}");
        }
        let twice = "select count(*) from (select order_id from orders group by 1 having count(*) > 1) x";
        assert_eq!(self.shards.sum(twice).await, 0, "orders that are stored twice");
    }

    /// The rows of the frames of a stream behind one. Nothing is trimmed there, and nothing damaged.
    pub(crate) async fn rows_behind(&self, stream: StreamId, seq: u64) -> u64 {
        let mut rows = 0;
        for seq in seq + 1..=self.log.stream_state(stream).await.unwrap().last_seq {
            rows += u64::from(self.log.frame(stream, seq).await.unwrap().unwrap().unwrap().rows());
        }
        rows
    }

    /// Whether every stream is drained, and everything derived of what is stored.
    pub(crate) async fn is_at_rest(&self) -> (bool, String) {
        for shard in 0..self.shards.urls.len() {
            let owed = "select string_agg(target::text, ' ') from derived_through d, stream_position p \
                where p.stream = 'logged' and (d.incarnation, d.stream_seq) is distinct from (p.incarnation, p.stream_seq)";
            let owed = self.shards.sql(shard, owed).await;
            if !owed.is_empty() {
                return (false, format!("shard {shard} owes facts to {owed}"));
            }
        }
        for shard in 0..self.shards.urls.len() {
            for stream in StreamId::all_of(ShardId(shard as u16)) {
                let state = self.log.stream_state(stream).await.unwrap();
                let at = "select incarnation || ' ' || stream_seq from stream_position where stream =";
                let at = self.shards.sql(shard, &format!("{at} '{}'", stream.kind)).await;
                let last = format!("{} {}", state.incarnation, state.last_seq);
                if at != last && !(at.is_empty() && state.last_seq == 0) {
                    return (false, format!("{stream} is at {at:?} of {last}"));
                }
            }
        }
        (true, String::new())
    }

    /// The sum that must always hold: rows of the log up to the position = stored + duplicate + dead.
    pub(crate) async fn assert_sums(&self, orders: u64) {
        let sum = "select sum(rows_stored + rows_duplicate + rows_dead) from lane_tally where lane = 'orders'";
        assert_eq!(self.shards.sum(sum).await, orders);
    }
}

impl Writer {
    pub(crate) async fn start(flags: impl Iterator<Item = String>) -> Self {
        let settings = Settings::try_parse_from(std::iter::once("forebay-writer".to_owned()).chain(flags)).unwrap();
        let start = |service: &_| forebay_writer::start(&settings, service).unwrap();
        Self { served: Served::start(&settings.service, start).await }
    }

    /// The streams as `/v1/streams` has them.
    pub(crate) async fn streams(&self) -> Vec<Value> {
        self.served.get("/v1/streams").await.ok()["streams"].as_array().unwrap().clone()
    }

    pub(crate) async fn stream(&self, kind: StreamKind, shard: u16) -> Value {
        let streams = self.streams().await;
        streams.into_iter().find(|row| row["stream"] == kind.as_str() && row["shard"] == shard).unwrap()
    }

    /// Waits until that many streams are in a state.
    pub(crate) async fn has(&self, state: &str, streams: usize) {
        eventually(&format!("{streams} streams are {state}"), async || {
            let all = self.streams().await;
            (all.iter().filter(|stream| stream["state"] == state).count() == streams, all)
        })
        .await;
    }

    pub(crate) async fn stop(self) {
        self.served.stop().await;
    }
}

/// A writer in a process of its own.
pub(crate) struct WriterProcess(Child);

impl WriterProcess {
    pub(crate) fn start(scene: &Scene, more: &[&str]) -> Self {
        Self::start_with(scene, more, Stdio::null())
    }

    /// With it, what it logs.
    pub(crate) fn start_logging(scene: &Scene, more: &[&str]) -> (Self, ChildStderr) {
        let mut writer = Self::start_with(scene, more, Stdio::piped());
        let log = writer.0.stderr.take().unwrap();
        (writer, log)
    }

    fn start_with(scene: &Scene, more: &[&str], log: Stdio) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_forebay-writer"));
        command.args(scene.flags()).args(more).stderr(log);
        Self(command.spawn().unwrap())
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub(crate) fn wait(mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for WriterProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
