//! A query service in this process, with three shards and a log of its own.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use clap::Parser;
use forebay_log::{Log, LogSettings};
use forebay_model::{Hash, Lane, ShardId, ShardMap};
use forebay_query::Settings;
use forebay_service::{Service, Shutdown};
use forebay_shard::{ShardAddresses, migrate};
use forebay_stack::{Shared, shared};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::writing::Writing;

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
pub(crate) const SHARDS: u16 = 3;

pub(crate) struct Scene {
    pub(crate) stack: &'static Shared,
    pub(crate) urls: Vec<String>,
    pub(crate) log: Log,
    pub(crate) writing: Writing,
    pub(crate) query: Query,
}

/// A running query service.
pub(crate) struct Query {
    address: SocketAddr,
    http: reqwest::Client,
    service: Service,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Scene {
    pub(crate) async fn start(name: &str) -> Self {
        Self::start_with(name, &[], |map| map).await
    }

    /// With further flags, and with a changed shard map (as JSON).
    pub(crate) async fn start_with(name: &str, flags: &[&str], change: impl FnOnce(Value) -> Value) -> Self {
        let stack = shared().await;
        let urls = stack.create_databases(usize::from(SHARDS), name).await;
        for url in &urls {
            migrate(&url.parse::<ShardAddresses>().unwrap()).await.unwrap();
        }
        let even = ShardMap::even(NonZeroU16::new(SHARDS).unwrap(), Hash::Md5);
        let map: ShardMap = serde_json::from_value(change(serde_json::to_value(&even).unwrap())).unwrap();
        let log = start_log(stack.nats_url(), &stack.unique_prefix(name), &map).await;
        let writing = Writing::new(log.clone(), &urls, map).await;
        let query = Query::start(&log, &urls, flags).await;
        Self { stack, urls, log, writing, query }
    }

    /// Runs SQL in a shard by psql.
    pub(crate) async fn sql(&self, shard: ShardId, statement: &str) -> String {
        self.stack.sql(&self.urls[usize::from(shard.0)], statement).await.unwrap().trim().to_owned()
    }

    /// Takes a shard's database away from everybody: it can neither be used nor connected to.
    pub(crate) async fn take_down(&self, shard: ShardId) {
        let url = &self.urls[usize::from(shard.0)];
        let (server, name) = url.rsplit_once('/').unwrap();
        let server = format!("{server}/postgres");
        self.stack.sql(&server, &format!("alter database \"{name}\" allow_connections false")).await.unwrap();
        let end = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'");
        self.stack.sql(&server, &end).await.unwrap();
    }

    pub(crate) async fn bring_back(&self, shard: ShardId) {
        let (server, name) = self.urls[usize::from(shard.0)].rsplit_once('/').unwrap();
        let allow = format!("alter database \"{name}\" allow_connections true");
        self.stack.sql(&format!("{server}/postgres"), &allow).await.unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.query.get(path).await
    }
}

/// A log with the streams of a map, and the map.
pub(crate) async fn start_log(nats_url: String, prefix: &str, map: &ShardMap) -> Log {
    let mut settings = LogSettings::new(nats_url, prefix.parse().unwrap());
    settings.stream_bytes_max = 16 << 20;
    let log = Log::connect(settings).await.unwrap();
    log.ensure_streams(map.shards(), &Lane::ALL).await.unwrap();
    log.create_map_if_absent(map).await.unwrap();
    log
}

impl Query {
    /// A service that has seen its log and its shards.
    pub(crate) async fn start(log: &Log, urls: &[String], flags: &[&str]) -> Self {
        Self::start_without(log, urls, flags, &[]).await
    }

    /// A service for which some dependencies are down.
    pub(crate) async fn start_without(log: &Log, urls: &[String], flags: &[&str], down: &[&str]) -> Self {
        let LogSettings { url, name, .. } = log.settings();
        let shards = urls.join(",");
        let fixed = ["forebay-query", "--nats", url, "--log-prefix", name.as_str(), "--shards", &shards];
        let redis: &[&str] = if flags.contains(&"--redis") { &[] } else { &["--redis", "none"] };
        let settings = Settings::try_parse_from(fixed.iter().chain(redis).chain(flags)).unwrap();
        let service = Service::new(&settings.service).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        service.serve(listener, forebay_query::start(&settings, &service).unwrap());
        // Fails where another test of this process was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(DEADLINE).build().unwrap();
        let query = Self { address, http, service };
        eventually("the service is ready", async || {
            let ready = query.get("/readyz").await;
            let is_up = |(name, state): (&String, &Value)| state["state"] == "up" || down.contains(&name.as_str());
            let dependencies = ready.body["dependencies"].as_object();
            (dependencies.is_some_and(|all| all.iter().all(is_up)), ready.body.to_string())
        })
        .await;
        query
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn shutdown(&self) -> &Shutdown {
        self.service.shutdown()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn request(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(self.url(path))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(path)).await
    }
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        Self { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    /// The body of a 200.
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        self.body
    }

    /// The detail of a problem.
    pub(crate) fn problem(&self, status: u16, code: &str) -> &str {
        assert_eq!((self.status.as_u16(), &self.body["code"]), (status, &json!(code)), "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        self.body["detail"].as_str().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// The order ids of a list's answer.
pub(crate) fn order_ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|order| order["order_id"].as_str().unwrap()).collect()
}

/// Waits until something holds; else tells what was seen last.
pub(crate) async fn eventually(what: &str, mut look: impl AsyncFnMut() -> (bool, String)) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let (holds, seen) = look().await;
        if holds {
            return;
        }
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}; last seen: {seen}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
