//! An ingest service in this process, on a log of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use clap::Parser;
use forebay_ingest::Settings;
use forebay_log::{Log, LogSettings};
use forebay_model::tuple::Tuples;
use forebay_model::{Hash, Lane, Receipt, ShardId, ShardMap};
use forebay_service::Service;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Ingest {
    address: SocketAddr,
    http: reqwest::Client,
    pub(crate) log: Log,
    pub(crate) service: Service,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Ingest {
    /// An ingest service with a new log of three shards on the shared NATS.
    pub(crate) async fn start(name: &str, flags: &[&str]) -> Self {
        let shared = forebay_stack::shared().await;
        let settings = LogSettings::new(shared.nats_url(), shared.unique_prefix(name).parse().unwrap());
        Self::start_on(settings, &Lane::ALL, flags).await
    }

    /// An ingest service on a log that has streams for these lanes only.
    pub(crate) async fn start_on(settings: LogSettings, lanes: &[Lane], flags: &[&str]) -> Self {
        let log = Log::connect(settings).await.unwrap();
        let map = ShardMap::even(NonZeroU16::new(3).unwrap(), Hash::Md5);
        log.ensure_streams(map.shards(), lanes).await.unwrap();
        log.create_map_if_absent(&map).await.unwrap();
        let ingest = Self::serve(flags, log).await;
        ingest.ready().await;
        ingest
    }

    async fn serve(flags: &[&str], log: Log) -> Self {
        let LogSettings { url, name, .. } = log.settings();
        let fixed = ["forebay-ingest", "--nats", url, "--log-prefix", name.as_str()];
        let settings = Settings::try_parse_from(fixed.iter().chain(flags)).unwrap();
        let service = Service::new(&settings.service).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        service.serve(listener, forebay_ingest::start(&settings, &service).unwrap());
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(DEADLINE).build().unwrap();
        Self { address, http, log, service }
    }

    async fn ready(&self) {
        let begin = std::time::Instant::now();
        loop {
            let answer = self.http.get(self.url("/readyz")).send().await.unwrap();
            if answer.status() == StatusCode::OK {
                return;
            }
            let body = answer.text().await.unwrap();
            assert!(begin.elapsed() < DEADLINE, "not ready: {body}");
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn post(&self, path: &str, media_type: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        self.http.post(self.url(path)).header("content-type", media_type).body(body)
    }

    pub(crate) async fn order(&self, order: &Value) -> Answer {
        Answer::of(self.post("/v1/orders", "application/json", order.to_string())).await
    }

    pub(crate) async fn batch(&self, lines: impl Into<reqwest::Body>) -> Answer {
        Answer::of(self.post("/v1/orders/batch", "application/x-ndjson", lines)).await
    }

    pub(crate) async fn metrics(&self) -> String {
        self.http.get(self.url("/metrics")).send().await.unwrap().text().await.unwrap()
    }

    /// The rows of a lane that lie in the log, over all shards: for each order id how often. Only for lanes whose
    /// tuples have the order id at that place.
    pub(crate) async fn logged(&self, lane: Lane) -> BTreeMap<String, usize> {
        let place = lane.columns().iter().position(|column| column.name == "order_id").unwrap();
        let mut ids = BTreeMap::new();
        for shard in (0..3).map(ShardId) {
            let last = self.log.stream_state(lane, shard).await.unwrap().last_seq;
            for seq in 1..=last {
                let stored = self.log.frame(lane, shard, seq).await.unwrap().unwrap();
                let frame = stored.frame.unwrap();
                assert_eq!(Tuples::new(lane, &frame.payload).count(), frame.rows as usize);
                for tuple in Tuples::new(lane, &frame.payload) {
                    let id = String::from_utf8(tuple.unwrap().field(place).to_vec()).unwrap();
                    *ids.entry(id).or_default() += 1;
                }
            }
        }
        ids
    }

    /// Whether every position of a receipt is in the log.
    pub(crate) async fn assert_logged(&self, receipt: &Value) {
        let receipt: Receipt = receipt.as_str().unwrap().parse().unwrap();
        assert!(!receipt.is_empty());
        for (lane, shard, position) in receipt.positions() {
            let last = self.log.stream_state(lane, shard).await.unwrap().last();
            assert!(last.covers(position), "{lane} {shard}: {position} is behind {last}");
        }
    }
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        Self { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    pub(crate) fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), &self.body["code"]), (status, &json!(code)), "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert!(self.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{}", self.body);
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
