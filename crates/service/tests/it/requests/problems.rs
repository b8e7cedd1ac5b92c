//! Errors of every origin are problems.

use axum::Router;
use axum::routing::{get, post};
use forebay_service::Problem;
use forebay_service::extract::{Path, Query};
use serde::Deserialize;
use serde_json::json;

use crate::server::TestService;

#[derive(Deserialize)]
struct Page {
    limit: u32,
}

fn routes() -> Router {
    Router::new()
        .route("/panic", get(async || if true { panic!("on purpose") } else { "never" }))
        .route("/page/{number}", get(async |_: Path<u32>, Query(page): Query<Page>| page.limit.to_string()))
        .route("/orders", post(async || Problem::shard_unavailable("shard 1 does not answer").with("shards", vec![1])))
}

#[tokio::test]
async fn problem_carries_its_members_and_headers() {
    let server = TestService::start(routes()).await;
    let answer = server.connect().await.ask("POST /orders HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(
        answer.json(),
        json!({
            "type": "urn:forebay:problem:shard_unavailable",
            "title": "A shard cannot be reached",
            "status": 503,
            "code": "shard_unavailable",
            "detail": "shard 1 does not answer",
            "shards": [1],
            "request_id": answer.header("x-request-id"),
        })
    );
}

#[tokio::test]
async fn unknown_path_method_and_parameter_are_problems() {
    let server = TestService::start(routes()).await;
    for (path, status, code) in [
        ("/nowhere", 404, "not_found"),
        ("/orders", 405, "method_not_allowed"),
        ("/page/one?limit=1", 400, "malformed"),
        ("/page/1?limit=many", 400, "malformed"),
        ("/page/1", 400, "malformed"),
    ] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{path}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
    }
    assert_eq!(server.get("/orders").await.header("allow"), Some("POST"));
    assert_eq!(server.get("/page/1?limit=7").await.body, "7");
}

#[tokio::test]
async fn panic_in_a_handler_is_a_problem_and_the_service_goes_on() {
    let server = TestService::start(routes()).await;
    let mut wire = server.connect().await;
    let answer = wire.ask("GET /panic HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (500, Some("internal")));
    assert!(!answer.body.contains("on purpose"), "{}", answer.body);
    assert_eq!(wire.ask("GET /page/1?limit=7 HTTP/1.1\r\nhost: x\r\n\r\n").await.body, "7");
    assert!(!server.service.shutdown().is_started());
}
