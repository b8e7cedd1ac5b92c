//! Pages of other origins.

use axum::Router;
use axum::routing::get;
use forebay_service::{Service, ServiceSettings};

use crate::server::TestService;
use crate::wire::Answer;

async fn start(origins: Option<&str>) -> TestService {
    let cors_origins = origins.map(|origins| origins.parse().unwrap());
    let service = Service::new(&ServiceSettings { cors_origins, ..ServiceSettings::default() }).unwrap();
    TestService::of(service, Router::new().route("/asked", get(async || "here"))).await
}

async fn ask(server: &TestService, method: &str, origin: &str, more: &str) -> Answer {
    let request = format!("{method} /asked HTTP/1.1\r\nhost: x\r\norigin: {origin}\r\n{more}\r\n");
    server.connect().await.ask(&request).await
}

const PREFLIGHT: &str = "access-control-request-method: GET\r\naccess-control-request-headers: forebay-after\r\n";

#[tokio::test]
async fn pages_of_the_origins_that_are_named_are_let_in_and_no_others() {
    let server = start(Some("https://a.example,https://b.example")).await;
    for (origin, allowed) in [("https://a.example", Some("https://a.example")), ("https://c.example", None)] {
        let answer = ask(&server, "GET", origin, "").await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, allowed), "{answer:?}");
        let preflight = ask(&server, "OPTIONS", origin, PREFLIGHT).await;
        assert_eq!(preflight.header("access-control-allow-origin"), allowed, "{preflight:?}");
        assert!(preflight.header("access-control-allow-headers").unwrap().contains("forebay-after"), "{preflight:?}");
        assert!(preflight.header("x-request-id").is_some());
    }
    let answer = ask(&server, "GET", "https://a.example", "").await;
    let exposed = answer.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("forebay-position") && exposed.contains("x-request-id"), "{exposed}");
    let answer = ask(&server, "OPTIONS", "https://a.example", "").await;
    assert_eq!((answer.status, answer.header("allow")), (204, Some("GET,HEAD")), "no question of a browser");
    assert_eq!(
        ask(&start(Some("*")).await, "GET", "https://c.example", "").await.header("access-control-allow-origin"),
        Some("*")
    );
}

#[tokio::test]
async fn without_the_setting_no_page_of_another_origin_is_let_in() {
    let server = start(None).await;
    for (method, more) in [("GET", ""), ("OPTIONS", PREFLIGHT)] {
        let answer = ask(&server, method, "https://a.example", more).await;
        assert!(answer.headers.keys().all(|name| !name.starts_with("access-control-")), "{answer:?}");
    }
}
