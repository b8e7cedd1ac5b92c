//! Each request has a name: in its answer, in its problem, and in what is logged about it.

use std::process::{Command, Stdio};

use axum::Router;
use axum::routing::get;
use forebay_service::http::carried;
use forebay_service::telemetry::{LogFormat, LoggingSettings};
use forebay_service::{Problem, Right, Service, ServiceSettings, telemetry};
use serde_json::Value;
use tracing::warn;

use crate::server::TestService;

const ASKED: &str = "GET /asked HTTP/1.1\r\nhost: x\r\nx-request-id: given-7\r\n\r\n";

#[tokio::test]
async fn every_answer_has_the_name_that_the_request_brought_or_a_new_one() {
    let service = Service::new(&ServiceSettings::default()).unwrap();
    let guarded =
        Router::new().route("/guarded", get(async || "")).route_layer(service.clients.guard(Right::OrdersRead));
    let routes = guarded
        .route("/asked", get(async || "here"))
        .route("/panic", get(async || if true { panic!("on purpose") } else { "never" }));
    let server = TestService::of(service, routes).await;
    assert_eq!(server.connect().await.ask(ASKED).await.header("x-request-id"), Some("given-7"));
    let mut met = std::collections::HashSet::new();
    for path in ["/asked", "/asked", "/nowhere", "/panic", "/guarded", "/livez", "/readyz"] {
        let answer = server.get(path).await;
        let name = answer.header("x-request-id").unwrap_or_else(|| panic!("{path}: {answer:?}")).to_owned();
        if answer.header("content-type") == Some("application/problem+json") {
            assert_eq!(answer.json()["request_id"], name.as_str(), "{path}");
        }
        assert!(met.insert(name), "{path}");
    }
}

/// Logs within a request, in its own task and in another, and outside of any. In a process of its own, since a log is for a process.
#[tokio::test]
async fn lines_are_of_the_request_that_they_are_about() {
    const INNER: &str = "FOREBAY_TEST_LINES";
    let handler = async || {
        warn!("within");
        tokio::spawn(carried(async { warn!("carried") })).await.unwrap();
        tokio::spawn(async { warn!("outside") }).await.unwrap();
        Problem::not_found("never")
    };
    if let Ok(format) = std::env::var(INNER) {
        let format = if format == "json" { LogFormat::Json } else { LogFormat::Text };
        telemetry::install(&LoggingSettings { format, level: "warn".to_owned() });
        let server = TestService::start(Router::new().route("/asked", get(handler))).await;
        let answer = server.connect().await.ask(ASKED).await;
        assert_eq!(answer.json()["request_id"], "given-7");
        return;
    }
    for format in ["json", "text"] {
        let mut this = Command::new(std::env::current_exe().unwrap());
        this.args(["--exact", "requests::names::lines_are_of_the_request_that_they_are_about", "--nocapture"])
            .env(INNER, format);
        let output = this.stdin(Stdio::null()).output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        let line = |message: &str| log.lines().find(|line| line.contains(message)).unwrap_or_else(|| panic!("{log}"));
        if format == "json" {
            let id = |message| serde_json::from_str::<Value>(line(message)).unwrap()["request_id"].clone();
            assert_eq!([id("within"), id("carried"), id("outside")], ["given-7".into(), "given-7".into(), Value::Null]);
        } else {
            let is_named = |message| line(message).ends_with(" request_id=given-7");
            assert_eq!([is_named("within"), is_named("carried"), is_named("outside")], [true, true, false], "{log}");
        }
    }
}
