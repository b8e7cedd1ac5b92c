//! An ingest service in this process, on a log of its own.

use std::collections::BTreeMap;

use clap::Parser;
use forebay_ingest::Settings;
use forebay_log::{Frame, Log, LogSettings};
use forebay_model::{Lane, Receipt, ShardMap, StreamId, StreamKind};
use forebay_testkit::log::{even_map, order_ids, settings};
use forebay_testkit::service::{Answer, Served};
use serde_json::{Value, json};

pub(crate) const SHARDS: usize = 3;

pub(crate) struct Ingest {
    pub(crate) log: Log,
    pub(crate) served: Served,
}

impl Ingest {
    /// An ingest service with a new log of three shards on the shared NATS.
    pub(crate) async fn start(name: &str, flags: &[&str]) -> Self {
        Self::start_on(settings(name).await, &StreamKind::ALL, flags).await
    }

    /// An ingest service on a log that has streams of these kinds only.
    pub(crate) async fn start_on(settings: LogSettings, kinds: &[StreamKind], flags: &[&str]) -> Self {
        Self::start_with(settings, kinds, even_map(SHARDS), flags).await
    }

    /// An ingest service of a system with that map.
    pub(crate) async fn start_with(settings: LogSettings, kinds: &[StreamKind], map: ShardMap, flags: &[&str]) -> Self {
        let log = Log::connect(settings).await.unwrap();
        let streams = map.shards().flat_map(|shard| kinds.iter().map(move |kind| kind.on(shard)));
        log.ensure_streams(streams, map.settings().streams).await.unwrap();
        log.create_map_if_absent(&map).await.unwrap();
        let served = Self::serve(&log, flags).await;
        served.ready_without(&[]).await;
        Self { log, served }
    }

    /// A service on a log that is there, ready or not.
    pub(crate) async fn serve(log: &Log, flags: &[&str]) -> Served {
        let LogSettings { url, name, .. } = log.settings();
        let fixed = ["forebay-ingest", "--nats", url, "--log-prefix", name.as_str()];
        let settings = Settings::try_parse_from(fixed.iter().chain(flags)).unwrap();
        let start = |service: &_| forebay_ingest::start(&settings, service).unwrap();
        Served::start(&settings.service, start).await
    }

    pub(crate) fn post(&self, path: &str, media_type: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        self.served.post(path, media_type, body)
    }

    pub(crate) async fn order(&self, order: &Value) -> Answer {
        Answer::of(self.post("/v1/orders", "application/json", order.to_string())).await
    }

    pub(crate) async fn batch(&self, lines: impl Into<reqwest::Body>) -> Answer {
        Answer::of(self.post("/v1/orders/batch", "application/x-ndjson", lines)).await
    }

    /// The rows of a lane that lie in the log, over all shards: for each order id how often.
    pub(crate) async fn logged(&self, lane: Lane) -> BTreeMap<String, usize> {
        order_ids(&self.log, lane, SHARDS).await
    }

    /// Every frame of a lane, over all shards.
    pub(crate) async fn frames(&self, lane: Lane) -> Vec<Frame> {
        let mut frames = Vec::new();
        for stream in even_map(SHARDS).shards().map(|shard| lane.on(shard)) {
            for seq in 1..=self.log.stream_state(stream).await.unwrap().last_seq {
                let stored = self.log.frame(stream, seq).await.unwrap().unwrap().unwrap();
                frames.push(stored.frame.unwrap());
            }
        }
        frames
    }

    /// Whether every position of a receipt is in the log.
    pub(crate) async fn assert_logged(&self, receipt: &Value) {
        let receipt: Receipt = receipt.as_str().unwrap().parse().unwrap();
        assert!(!receipt.is_empty());
        for (stream, position) in receipt.positions() {
            assert_eq!(stream.kind, StreamKind::Logged, "one order is one log entry");
            let last = self.log.stream_state(stream).await.unwrap().last();
            assert!(last.covers(position), "{stream}: {position} is behind {last}");
        }
    }

    /// Takes every frame but the last out of every stream.
    pub(crate) async fn trim(&self) {
        for stream in even_map(SHARDS).shards().flat_map(StreamId::all_of) {
            let state = self.log.stream_state(stream).await.unwrap();
            self.log.trim(stream, state.last()).await.unwrap();
        }
    }
}

pub(crate) fn order(number: u32) -> Value {
    json!({
        "order_id": format!("ORD{number}"), "customer_id": format!("CUST{}", number % 50), "timestamp": "2025-06-30T12:30:00Z",
        "items": [{"sku": "SHOE001", "quantity": 1, "price": 2999, "seller_id": "S7"}], "currency": "EUR",
    })
}

pub(crate) fn ndjson(orders: impl IntoIterator<Item = Value>) -> String {
    orders.into_iter().fold(String::new(), |lines, order| lines + &order.to_string() + "\n")
}
