//! A service in this process, and its answers.

use std::net::SocketAddr;

use forebay_service::lifecycle::Outcome;
use forebay_service::telemetry::metrics::{Metric, MetricKind};
use forebay_service::{Routes, Service, ServiceSettings};
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::wait::{DEADLINE, eventually};

/// A service in this process.
pub struct Served {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it shares with every service.
    pub service: Service,
    http: reqwest::Client,
}

impl Served {
    /// Starts a service on a free port; `start` builds what it serves.
    pub async fn start(settings: &ServiceSettings, start: impl FnOnce(&Service) -> Routes) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), settings, start).await
    }

    /// Starts it at a certain address.
    pub async fn start_at(
        address: SocketAddr,
        settings: &ServiceSettings,
        start: impl FnOnce(&Service) -> Routes,
    ) -> Self {
        let service = Service::new(settings).expect("the settings are good");
        let listener = TcpListener::bind(address).await.expect("the port is free");
        let address = listener.local_addr().expect("it listens");
        service.serve(listener, start(&service));
        Self { address, service, http: http_client() }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The client that asks it.
    pub fn client(&self) -> &reqwest::Client {
        &self.http
    }

    /// A question that is not sent yet.
    pub fn request(&self, path: &str) -> RequestBuilder {
        self.http.get(self.url(path))
    }

    /// Something to be sent there.
    pub fn post(&self, path: &str, media_type: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.http.post(self.url(path)).header("content-type", media_type).body(body)
    }

    /// Asks for a path.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(path)).await
    }

    /// The metrics as text.
    pub async fn metrics(&self) -> String {
        let Value::String(text) = self.get("/metrics").await.body else { panic!("metrics are text") };
        text
    }

    /// Waits until everything that the service depends on is up, but for those that are named.
    pub async fn ready_without(&self, down: &[&str]) {
        eventually("the service is ready", async || {
            let ready = self.get("/readyz").await;
            let is_up = |(name, state): (&String, &Value)| state["state"] == "up" || down.contains(&name.as_str());
            let dependencies = ready.body["dependencies"].as_object();
            (dependencies.is_some_and(|all| all.iter().all(is_up)), ready.body)
        })
        .await;
    }

    /// Checks that the text of `/metrics` says of every metric what it means.
    pub async fn assert_metrics_are_explained(&self) {
        let metrics = self.metrics().await;
        for name in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
            assert!(metrics.contains(&format!("# HELP {name} ")), "{name} is not explained");
        }
    }

    /// Checks that every counter of a table is there before anything has happened, so that its first growth is seen.
    pub async fn assert_counters_begin(&self, table: &[Metric]) {
        let metrics = self.metrics().await;
        for Metric { name, .. } in table.iter().filter(|metric| metric.kind == MetricKind::Counter) {
            let is_it = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
            assert!(metrics.lines().any(is_it), "{name} is not there");
        }
    }

    /// Waits until it ends by itself, and sees that it says that it has failed.
    pub async fn fails(&self, why: &str) {
        let outcome = tokio::time::timeout(DEADLINE, self.service.lifecycle.clone().run()).await;
        assert_eq!(outcome, Ok(Outcome::Failed), "{why}");
    }

    /// Drains it, and sees that it ends well.
    pub async fn stop(self) {
        self.service.shutdown().start();
        assert_eq!(self.service.lifecycle.run().await, Outcome::Drained);
    }
}

/// An HTTP client that gives up at the deadline.
pub fn http_client() -> reqwest::Client {
    // Fails where another test of this process was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(DEADLINE).build().expect("an HTTP client")
}

/// What a service answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body: JSON, or a string where it is not JSON.
    pub body: Value,
}

impl Answer {
    /// Sends a request and reads the answer.
    pub async fn of(request: RequestBuilder) -> Self {
        let answer = request.send().await.expect("there is an answer");
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.expect("the answer has an end");
        Self { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    /// The body of a 200.
    pub fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        self.body
    }

    /// The detail of a problem.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> &str {
        assert_eq!((self.status.as_u16(), &self.body["code"]), (status, &json!(code)), "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        self.body["detail"].as_str().filter(|detail| !detail.is_empty()).expect("a problem has a detail")
    }

    /// A header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().expect("a header is text")).unwrap_or_default()
    }
}
