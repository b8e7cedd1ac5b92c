//! Stopping a server while requests are underway.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use bytes::Bytes;
use forebay_service::http::{HttpLimits, read_whole};
use forebay_service::lifecycle::{Lifecycle, Outcome};
use futures::stream;
use tokio::sync::Notify;

use crate::server::{SOON, TestService};

/// A route that answers when it is told to, and says when it was reached.
fn held() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (reached, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (on_reach, on_release) = (reached.clone(), release.clone());
    let handler = async move || {
        on_reach.notify_one();
        on_release.notified().await;
        "answered"
    };
    (Router::new().route("/held", get(handler)), reached, release)
}

const HELD: &str = "GET /held HTTP/1.1\r\nhost: x\r\n\r\n";
const LIVEZ: &str = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn request_in_flight_is_answered_before_the_service_ends() {
    let (routes, reached, release) = held();
    let server = TestService::start(routes).await;
    let mut wire = server.connect().await;
    wire.send(HELD).await;
    reached.notified().await;

    server.service.shutdown().start();
    let run = tokio::spawn(server.service.lifecycle.clone().run());
    server.stops_listening().await;
    assert!(!server.service.shutdown().answered().is_cancelled(), "a request is underway");
    release.notify_one();
    let answer = wire.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "answered"));
    assert_eq!(answer.header("connection"), Some("close"));
    wire.closed().await;
    assert_eq!(run.await.unwrap(), Outcome::Drained);
    assert!(server.service.shutdown().answered().is_cancelled());
}

#[tokio::test]
async fn upload_in_flight_may_finish_while_the_service_drains() {
    let reached = Arc::new(Notify::new());
    let on_reach = reached.clone();
    let handler = async move |body: Body| {
        on_reach.notify_one();
        read_whole(body, 100, SOON).await
    };
    let server = TestService::start(Router::new().route("/echo", post(handler))).await;
    let mut wire = server.connect().await;
    wire.send("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\nhalf").await;
    reached.notified().await;
    server.service.shutdown().start();
    server.stops_listening().await;
    wire.send("half").await;
    assert_eq!(wire.answer().await.body, "halfhalf");
    assert_eq!(server.service.lifecycle.clone().run().await, Outcome::Drained);
}

#[tokio::test]
async fn request_that_is_on_its_way_when_stopping_begins_is_answered() {
    let limits = HttpLimits { drain_linger: SOON, ..HttpLimits::default() };
    let server = TestService::with_limits(Router::new(), limits).await;
    let mut open = server.connect().await;
    assert_eq!(open.ask(LIVEZ).await.header("connection"), None);
    server.service.shutdown().start();
    // One on a connection that is open already, one on a connection that nobody has accepted yet.
    let mut waiting = server.connect().await;
    for wire in [&mut open, &mut waiting] {
        let answer = wire.ask(LIVEZ).await;
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
        wire.closed().await;
    }
    // Nothing is open any more, so there is nothing to wait for.
    let run = tokio::time::timeout(SOON / 2, server.service.lifecycle.clone().run());
    assert_eq!(run.await.expect("the linger ends early"), Outcome::Drained);
}

#[tokio::test]
async fn idle_and_silent_connections_do_not_hold_up_the_drain() {
    let server = TestService::start(Router::new()).await;
    let mut idle = server.connect().await;
    assert_eq!(idle.ask(LIVEZ).await.status, 200);
    let mut silent = server.connect().await;
    server.service.shutdown().start();
    let run = tokio::time::timeout(SOON, server.service.lifecycle.clone().run());
    assert_eq!(run.await.expect("the drain ends"), Outcome::Drained);
    idle.closed().await;
    silent.closed().await;
}

#[tokio::test]
async fn streamed_answer_is_sent_to_its_end() {
    let (more, chunks) = tokio::sync::mpsc::channel::<&'static str>(1);
    let chunks = Arc::new(tokio::sync::Mutex::new(chunks));
    let handler = async move || {
        Body::from_stream(stream::unfold(chunks, async |chunks| {
            let chunk = chunks.lock().await.recv().await?;
            Some((Ok::<_, std::io::Error>(Bytes::from(chunk)), chunks))
        }))
    };
    // The answer takes longer than an idle connection may last: sending is not idling.
    let idle_timeout = Duration::from_millis(100);
    let limits = HttpLimits { idle_timeout, ..HttpLimits::default() };
    let server = TestService::with_limits(Router::new().route("/stream", get(handler)), limits).await;
    let mut wire = server.connect().await;
    assert_eq!(wire.ask("GET /stream HTTP/1.1\r\nhost: x\r\n\r\n").await.status, 200);
    server.service.shutdown().start();
    let run = tokio::spawn(server.service.lifecycle.clone().run());
    server.stops_listening().await;
    // Longer than a connection without a request may stay once the server is closing.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    more.send("all of it").await.unwrap();
    drop(more);
    let mut rest = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut wire.stream, &mut rest).await.unwrap();
    let rest = String::from_utf8(rest).unwrap();
    assert!(rest.contains("all of it") && rest.ends_with("0\r\n\r\n"), "{rest:?}");
    assert_eq!(run.await.unwrap(), Outcome::Drained);
}

#[tokio::test]
async fn when_the_grace_is_over_requests_are_cut_off() {
    let (routes, reached, _release) = held();
    let mut server = TestService::start(Router::new()).await;
    server.service.lifecycle = Lifecycle::new(Duration::from_millis(100));
    let server = TestService::of(server.service, routes).await;
    let mut wire = server.connect().await;
    wire.send(HELD).await;
    reached.notified().await;
    server.service.shutdown().start();
    let run = tokio::time::timeout(SOON, server.service.lifecycle.clone().run());
    assert_eq!(run.await.expect("the grace ends"), Outcome::Cut);
    wire.closed().await;
}
