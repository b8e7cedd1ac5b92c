use std::time::Duration;

use forebay_model::settings::StreamLimits;
use forebay_model::{Lane, ShardId, StreamKind};
use forebay_stack::{Durability, Server, Stack};
use forebay_testkit::log::{LIMITS, even_map, limited, settings, settings_at};
use forebay_testkit::service::Answer;
use forebay_testkit::{Mode, Proxy, eventually};
use serde_json::json;

use crate::harness::{Ingest, SHARDS, ndjson, order};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_log_refuses_and_takes_again_when_there_is_room() {
    let map = limited(even_map(SHARDS), StreamLimits { bytes_max: 200 * 1024, ..LIMITS });
    let ingest = Ingest::start_with(settings("full").await, &StreamKind::ALL, map, &[]).await;
    let answer = ingest.batch(ndjson((1..=20_000).map(order))).await;
    answer.problem(503, "log_full");
    assert_eq!(answer.headers["retry-after"], "5");
    let settled = answer.body["settled_lines"].as_u64().unwrap();
    let logged = ingest.logged(Lane::Orders).await;
    assert!((1..=settled).all(|number| logged.contains_key(&format!("ORD{number}"))));
    ingest.trim().await;
    assert_eq!(ingest.order(&order(1)).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_waits_for_nothing_but_its_own_stream() {
    let ingest = Ingest::start_on(settings("own").await, &[StreamKind::Logged], &["--ack-timeout-ms", "300"]).await;
    assert_eq!(ingest.order(&order(1)).await.status, 202);
    assert_eq!(ingest.batch(ndjson((2..=10).map(order))).await.body["accepted"], 9);
    assert_eq!(ingest.logged(Lane::Orders).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_log_orders_are_refused_at_once_and_taken_again_after() {
    let stack = Stack::temporary(0, Durability::Fast).await.unwrap();
    let ingest = Ingest::start_on(settings_at(stack.nats_url(), "lost"), &StreamKind::ALL, &[]).await;
    assert_eq!(ingest.order(&order(1)).await.status, 202);
    stack.kill(Server::Nats).await;
    let begin = std::time::Instant::now();
    let answer = ingest.order(&order(2)).await;
    answer.problem(503, "log_unreachable");
    assert!(begin.elapsed() < Duration::from_secs(10), "took {:?}", begin.elapsed());
    assert!(answer.headers.contains_key("retry-after"));
    stack.restart(Server::Nats).await.unwrap();
    eventually("it is taken", async || {
        let answer = ingest.order(&order(2)).await;
        (answer.status == 202, answer.body)
    })
    .await;
    eventually("the test has its log again", async || (ingest.log.is_connected(), "not connected")).await;
    let logged = ingest.logged(Lane::Orders).await;
    assert!(logged.contains_key("ORD1") && logged.contains_key("ORD2"));
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_log_is_silent_orders_are_refused_at_once_and_it_is_said() {
    let stack = Stack::temporary(0, Durability::Fast).await.unwrap();
    let port = stack.nats_url().rsplit_once(':').unwrap().1.parse().unwrap();
    let proxy = Proxy::to(port).await.unwrap();
    let through = settings_at(format!("nats://127.0.0.1:{}", proxy.port()), "silent");
    let ingest = Ingest::start_on(through, &StreamKind::ALL, &["--ack-timeout-ms", "1500"]).await;
    assert_eq!(ingest.order(&order(1)).await.status, 202);
    proxy.set(Mode::BlackHole);
    ingest.order(&order(1)).await.problem(503, "log_unreachable");
    let ready = ingest.served.get("/readyz").await.body;
    let log = ready["dependencies"].as_object().unwrap().iter().find(|(name, _)| name.starts_with("log logged-"));
    assert_eq!(log.unwrap().1["state"], "down", "{ready}");
    let metrics = ingest.served.metrics().await;
    let down = format!("forebay_dependency_up{{dependency=\"{}\"}} 0", log.unwrap().0);
    assert!(metrics.contains(&down), "{metrics}");
    // One at most finds out, and waits for that.
    let asked = async || {
        let begin = std::time::Instant::now();
        let answer = ingest.order(&order(1)).await;
        answer.problem(503, "log_unreachable");
        assert!(answer.headers.contains_key("retry-after"));
        begin.elapsed()
    };
    let mut took = futures::future::join_all((0..20).map(|_| asked())).await;
    took.sort_unstable();
    assert!(took[18] < Duration::from_millis(700), "{took:?}");
    proxy.set(Mode::Pass);
    let begin = std::time::Instant::now();
    eventually("it is taken", async || {
        let answer = ingest.order(&order(1)).await;
        (answer.status == 202, answer.body)
    })
    .await;
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    let ready = ingest.served.get("/readyz").await;
    assert_eq!((ready.status.as_u16(), &ready.body["degraded"]), (200, &json!(false)), "{}", ready.body);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_several_shards_find_out_by_themselves_that_the_log_is_back() {
    let stack = Stack::temporary(0, Durability::Fast).await.unwrap();
    let port = stack.nats_url().rsplit_once(':').unwrap().1.parse().unwrap();
    let proxy = Proxy::to(port).await.unwrap();
    let through = settings_at(format!("nats://127.0.0.1:{}", proxy.port()), "batchback");
    let ingest = Ingest::start_on(through, &StreamKind::ALL, &["--ack-timeout-ms", "1500"]).await;
    let batch = || ingest.batch(ndjson((1..=3000).map(order)));
    assert_eq!(batch().await.status, 202);
    proxy.set(Mode::Stall);
    for _ in 0..3 {
        batch().await.problem(503, "log_unreachable");
    }
    proxy.set(Mode::Pass);
    // Nobody sends anything else; it comes again when it is told to, and a client may be told so a few times.
    let mut attempts = 0;
    while batch().await.status != 202 {
        attempts += 1;
        assert!(attempts < 5, "it is refused again and again");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_cuts_an_endless_batch_short_and_settles_what_it_says() {
    let ingest = Ingest::start("stop", &[]).await;
    let numbers = futures::stream::unfold(1u32, async |number| {
        let lines = ndjson((number..number + 200).map(order));
        tokio::task::yield_now().await;
        Some((Ok::<_, std::io::Error>(lines), number + 200))
    });
    let body = reqwest::Body::wrap_stream(numbers);
    let answer = tokio::spawn(Answer::of(ingest.post("/v1/orders/batch", "application/x-ndjson", body)));
    eventually("some of it is logged", async || {
        let frames = ingest.log.stream_state(Lane::Orders.on(ShardId(0))).await.unwrap().frames;
        (frames >= 5, frames)
    })
    .await;
    ingest.served.service.shutdown().start();
    let answer = answer.await.unwrap();
    answer.problem(503, "shutting_down");
    let settled = answer.body["settled_lines"].as_u64().unwrap();
    assert_eq!(answer.body["accepted"], json!(settled));
    let logged = ingest.logged(Lane::Orders).await;
    assert!((1..=settled).all(|number| logged.contains_key(&format!("ORD{number}"))));
    ingest.served.stop().await;
}
