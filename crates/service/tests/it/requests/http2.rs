//! HTTP/2 with prior knowledge.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use forebay_service::lifecycle::Outcome;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::server::{SOON, TestService};

async fn connect(server: &TestService) -> SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (requests, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    requests
}

fn request(server: &TestService, path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://{}{path}", server.address)).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn http2_is_served_and_drained() {
    let (reached, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (on_reach, on_release) = (reached.clone(), release.clone());
    let handler = async move || {
        on_reach.notify_one();
        on_release.notified().await;
        "answered"
    };
    let server = TestService::start(Router::new().route("/held", get(handler))).await;
    let mut requests = connect(&server).await;
    assert_eq!(requests.send_request(request(&server, "/livez")).await.unwrap().status(), 200);

    let held = requests.send_request(request(&server, "/held"));
    let held =
        tokio::spawn(async move { held.await?.into_body().collect().await.map(http_body_util::Collected::to_bytes) });
    reached.notified().await;
    server.service.shutdown().start();
    let run = tokio::spawn(server.service.lifecycle.clone().run());
    server.stops_listening().await;
    release.notify_one();
    assert_eq!(held.await.unwrap().unwrap(), "answered");
    let outcome = tokio::time::timeout(SOON, run).await.expect("the drain ends").unwrap();
    assert_eq!(outcome, Outcome::Drained);
}

#[tokio::test]
async fn http2_peer_that_answers_nothing_does_not_hold_up_the_drain() {
    let server = TestService::start(Router::new()).await;
    let mut wire = server.connect().await;
    // The preface and empty SETTINGS; the server's own SETTINGS, and later its GOAWAY and PING, stay unanswered.
    wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    wire.stream.readable().await.unwrap();
    server.service.shutdown().start();
    let run = tokio::time::timeout(SOON, server.service.lifecycle.clone().run());
    assert_eq!(run.await.expect("the drain ends"), Outcome::Drained);
    wire.closed().await;
}
