//! Request bodies, whole and broken.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use forebay_service::Problem;
use forebay_service::http::read_whole;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::server::{SOON, TestService};

fn echo() -> Router {
    Router::new()
        .route("/echo", post(async |body: Body| read_whole(body, 10, SOON).await))
        .route("/refuse", post(async |_: Body| Problem::rate_limited("not now").with("settled_lines", 3)))
}

#[tokio::test]
async fn body_is_read_whole_in_however_many_pieces() {
    let server = TestService::start(echo()).await;
    let mut wire = server.connect().await;
    assert_eq!(wire.ask("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nfour").await.body, "four");
    let chunked =
        "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfour\r\n5\r\n five\r\n0\r\n\r\n";
    assert_eq!(wire.ask(chunked).await.body, "four five");
    assert_eq!(wire.ask("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await.body, "");
}

#[tokio::test]
async fn body_over_the_limit_is_too_large_announced_or_not() {
    let server = TestService::start(echo()).await;
    for rest in
        ["content-length: 11\r\n\r\n", "transfer-encoding: chunked\r\n\r\n6\r\n123456\r\n6\r\n123456\r\n0\r\n\r\n"]
    {
        let answer = server.connect().await.ask(&format!("POST /echo HTTP/1.1\r\nhost: x\r\n{rest}")).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (413, Some("too_large")));
    }
}

#[tokio::test]
async fn torn_body_is_malformed() {
    let server = TestService::start(echo()).await;
    let mut wire = server.connect().await;
    let answer = wire.ask("POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nno length\r\n").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("malformed")));
}

#[tokio::test]
async fn early_answer_reaches_a_client_that_is_still_sending() {
    let server = TestService::start(echo()).await;
    let mut wire = server.connect().await;
    let body_bytes = 32 << 20;
    wire.send(format!("POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: {body_bytes}\r\n\r\n")).await;
    // A client that sends everything before it reads anything, as simple ones do.
    wire.stream.write_all(&vec![b'x'; body_bytes]).await.expect("the server takes the rest of the body");
    let answer = wire.answer().await;
    assert_eq!((answer.status, answer.json()["settled_lines"].as_u64()), (429, Some(3)));
    // The connection is as good as new.
    assert_eq!(wire.ask("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nfour").await.body, "four");
}

#[tokio::test]
async fn client_that_waits_to_be_invited_is_refused_without_being_invited() {
    let server = TestService::start(echo()).await;
    let mut wire = server.connect().await;
    let head = "POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n";
    let answer = wire.ask(head).await;
    assert_eq!((answer.status, answer.header("connection")), (429, Some("close")));
    // Whether the body still comes is anybody's guess, so nothing else can come on this connection.
    timeout(Duration::from_secs(2), wire.closed()).await.expect("the server does not wait for the body");
}

#[tokio::test]
async fn a_refused_body_leaves_its_connection_open() {
    let other = post(async |_: Body| Problem::unsupported_media_type("another one"));
    let server = TestService::start(echo().route("/other", other)).await;
    let mut wire = server.connect().await;
    for (path, status) in [("/echo", 413), ("/other", 415)] {
        wire.send(format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", 1 << 20)).await;
        wire.send(vec![b'x'; 1 << 20]).await;
        let answer = wire.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (status, None), "{answer:?}");
    }
}
