//! Peers that hold on to what they should let go of.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use bytes::Bytes;
use forebay_service::http::{self, HttpLimits, read_whole};
use forebay_service::{Problem, Service, ServiceSettings};
use forebay_testkit::eventually;
use futures::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::server::{SOON, TestService};
use crate::wire::Wire;

const SHORT: Duration = Duration::from_millis(200);

fn hello() -> Router {
    Router::new().route("/hello", get(async || "hello"))
}

/// The connection ends, and not before the limit.
async fn assert_cut_off(wire: &mut Wire, began: Instant) {
    wire.closed().await;
    assert!(began.elapsed() >= SHORT, "cut off after {:?}", began.elapsed());
}

#[tokio::test]
async fn slow_header_is_cut_off() {
    let limits = HttpLimits { idle_timeout: SHORT, ..HttpLimits::default() };
    let server = TestService::with_limits(hello(), limits).await;
    let began = Instant::now();
    let mut wire = server.connect().await;
    wire.send("GET /hello HTTP/1.1\r\nhost: ").await;
    assert_cut_off(&mut wire, began).await;
}

#[tokio::test]
async fn silence_is_cut_off() {
    let limits = HttpLimits { idle_timeout: SHORT, ..HttpLimits::default() };
    let server = TestService::with_limits(hello(), limits).await;
    // The second could still become HTTP/2.
    for beginning in ["", "PRI * HT"] {
        let began = Instant::now();
        let mut wire = server.connect().await;
        wire.send(beginning).await;
        assert_cut_off(&mut wire, began).await;
    }
}

#[tokio::test]
async fn idle_connection_is_cut_off_but_not_before_its_answer() {
    let limits = HttpLimits { idle_timeout: SHORT, ..HttpLimits::default() };
    let slow = Router::new().route(
        "/slow",
        get(async || {
            tokio::time::sleep(SHORT * 4).await;
            "at last"
        }),
    );
    let server = TestService::with_limits(slow, limits).await;
    let mut wire = server.connect().await;
    let answer = wire.ask("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(answer.body, "at last");
    assert_cut_off(&mut wire, Instant::now()).await;
}

#[tokio::test]
async fn header_flood_is_refused() {
    let server = TestService::start(hello()).await;
    let mut wire = server.connect().await;
    let many = "x: y\r\n".repeat(65);
    let answer = wire.ask(&format!("GET /hello HTTP/1.1\r\n{many}\r\n")).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (431, Some("head_too_large")));

    let mut wire = server.connect().await;
    let large = format!("GET /hello HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    // The server need not read all of it: sending may fail, and so may reading the answer.
    let _ = wire.stream.write_all(large.as_bytes()).await;
    if let Ok(answer) = wire.try_answer().await {
        assert_eq!(answer.status, 431, "{answer:?}");
    }
    assert_eq!(server.get("/hello").await.status, 200);
}

#[tokio::test]
async fn what_is_no_request_is_answered_with_a_problem() {
    let server = TestService::start(hello()).await;
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(65_534));
    for (sent, status, code) in [
        ("nonsense\r\n\r\n", 400, "malformed"),
        ("GET /hello HTTP/1.1\r\nbad header\r\n\r\n", 400, "malformed"),
        ("POST /hello HTTP/1.1\r\ncontent-length: x\r\n\r\n", 400, "malformed"),
        (&long, 431, "head_too_large"),
    ] {
        let mut wire = server.connect().await;
        let answer = wire.ask(sent).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.json()["request_id"].as_str(), answer.header("x-request-id"));
        wire.closed().await;
    }
    // Behind an answer that was given on the same connection, too.
    let mut wire = server.connect().await;
    assert_eq!(wire.ask("GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await.status, 200);
    assert_eq!(wire.ask("nonsense\r\n\r\n").await.json()["code"], "malformed");
}

#[tokio::test]
async fn connection_over_the_limit_waits_until_another_ends() {
    let limits = HttpLimits { connections_max: 2, ..HttpLimits::default() };
    let server = TestService::with_limits(hello(), limits).await;
    let request = "GET /hello HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    assert_eq!(first.ask(request).await.status, 200);
    assert_eq!(second.ask(request).await.status, 200);
    let mut third = server.connect().await;
    third.send(request).await;
    let early = tokio::time::timeout(SHORT, third.stream.readable()).await;
    assert!(early.is_err(), "the third connection was served beside two others");
    drop(first);
    assert_eq!(third.answer().await.status, 200);
}

#[tokio::test]
async fn stalled_body_is_a_request_timeout() {
    let limits = HttpLimits { body_idle_timeout: SHORT, ..HttpLimits::default() };
    let echo = Router::new().route("/echo", post(async |body: Body| read_whole(body, 100, SOON).await));
    let server = TestService::with_limits(echo, limits).await;
    let mut wire = server.connect().await;
    let answer = wire.ask("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (408, Some("request_timeout")));
    wire.closed().await;
}

#[tokio::test]
async fn dripping_body_meets_the_deadline() {
    let limits = HttpLimits { body_idle_timeout: SOON, ..HttpLimits::default() };
    let echo = Router::new().route("/echo", post(async |body: Body| read_whole(body, 100, SHORT).await));
    let server = TestService::with_limits(echo, limits).await;
    let mut wire = server.connect().await;
    wire.send("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n").await;
    wire.send("a").await;
    assert_eq!(wire.answer().await.status, 408);
}

#[tokio::test]
async fn peer_that_takes_nothing_of_its_answer_is_cut_off() {
    let held_by_answer = Arc::new(());
    let held = held_by_answer.clone();
    let endless = async move || {
        let chunks = stream::repeat(held).map(|_held| Ok::<_, Problem>(Bytes::from(vec![b'x'; 1 << 16])));
        Body::from_stream(chunks)
    };
    let limits = HttpLimits { write_stall_timeout: SHORT, ..HttpLimits::default() };
    let server = TestService::with_limits(Router::new().route("/endless", get(endless)), limits).await;
    let holders = Arc::strong_count(&held_by_answer);
    let mut wire = server.connect().await;
    wire.send("GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await;
    wire.stream.readable().await.unwrap();
    assert!(Arc::strong_count(&held_by_answer) > holders, "the answer is underway");
    eventually("the answer is given up", async || {
        let count = Arc::strong_count(&held_by_answer);
        (count == holders, count)
    })
    .await;
    // What was on the way still arrives, and then the end.
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(SOON, wire.stream.read_to_end(&mut rest)).await.expect("the stream ends");
}

/// The descriptors of a process are gone; the server says so a few times, not a million, and goes on when some are free.
///
/// The limit holds for a whole process, so the test runs itself again under a low one.
#[test]
fn running_out_of_descriptors_is_waited_out() {
    const INNER: &str = "FOREBAY_TEST_FEW_DESCRIPTORS";
    if std::env::var_os(INNER).is_some() {
        return few_descriptors();
    }
    let test = std::env::current_exe().unwrap();
    let inner = Command::new("sh")
        .args([
            "-c",
            "ulimit -n 64; exec \"$0\" --exact requests::hostile::running_out_of_descriptors_is_waited_out --nocapture",
        ])
        .arg(test)
        .env(INNER, "1")
        .status();
    assert!(inner.expect("sh is there").success());
}

#[tokio::main]
async fn few_descriptors() {
    let service = Service::new(&ServiceSettings::default()).unwrap();
    let listener = http::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = listener.local_addr().unwrap();
    // Without the bound that `Service::serve` puts on connections.
    let routes = service.router(hello());
    tokio::spawn(http::serve(listener, routes, None, HttpLimits::default(), service.shutdown().clone()));
    let mut asking = Wire::connect(address).await;
    let metrics = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n";
    assert_eq!(asking.ask(metrics).await.status, 200);

    let mut greedy = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect(address) {
        greedy.push(stream);
    }
    let errors = async |asking: &mut Wire| {
        let text = asking.ask(metrics).await.body;
        let line = text.lines().find_map(|line| line.strip_prefix("forebay_http_accept_errors_total "));
        line.map_or(0, |count| count.parse::<u32>().unwrap())
    };
    let began = Instant::now();
    eventually("errors are counted", async || {
        let count = errors(&mut asking).await;
        (count >= 3, count)
    })
    .await;
    let (count, elapsed) = (errors(&mut asking).await, began.elapsed());
    assert!(u128::from(count) <= 4 + elapsed.as_millis() / 100, "{count} attempts within {elapsed:?}");
    drop(greedy);
    let mut wire = Wire::connect(address).await;
    assert_eq!(wire.ask("GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await.body, "hello");
}
