use std::collections::BTreeMap;

use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use forebay_model::{Lane, Receipt};
use forebay_testkit::eventually;
use forebay_testkit::service::Answer;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::harness::{Ingest, ndjson, order};

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_takes_what_is_good_and_names_what_is_not() {
    let ingest = Ingest::start("mixed", &[]).await;
    let mut lines: Vec<String> = (1..=1000).map(|number| order(number).to_string()).collect();
    lines[6] = r#"{"order_id":"BAD7","items":[]}"#.to_owned();
    lines[500] = String::from("not json");
    lines[501] = String::new();
    let answer = ingest.batch(lines.join("\n")).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!((&answer.body["accepted"], &answer.body["rejected"]), (&json!(997), &json!(2)));
    let errors = answer.body["errors"].as_array().unwrap();
    assert_eq!(
        (&errors[0]["line"], &errors[0]["order_id"], &errors[0]["code"]),
        (&json!(7), &json!("BAD7"), &json!("invalid"))
    );
    assert_eq!(
        (&errors[1]["line"], &errors[1]["order_id"], &errors[1]["code"]),
        (&json!(501), &Value::Null, &json!("malformed"))
    );
    ingest.assert_logged(&answer.body["receipt"]).await;
    let logged = ingest.logged(Lane::Orders).await;
    assert_eq!((logged.len(), logged.values().sum::<usize>()), (997, 997));
}

/// Of two orders with one id the first stays, and in a request that is the one on the earlier line.
#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_a_request_are_logged_in_their_order() {
    let ingest = Ingest::start("order", &[]).await;
    let id = |batch: u32, line: u32| format!("ORD-{batch:03}-{line:06}.");
    let lines_of = |batch: u32| if batch == 0 { 12_000 } else { 2 };
    for batch in 0..50 {
        let line = |line: u32| {
            let mut order = order(7);
            order["order_id"] = id(batch, line).into();
            order.to_string()
        };
        // Without an end the last line is known only behind all that was sent off before.
        let body = (0..lines_of(batch)).map(line).collect::<Vec<_>>().join("\n");
        let answer = ingest.batch(body).await;
        assert_eq!(answer.body["accepted"], lines_of(batch), "{}", answer.body);
    }
    let log: Vec<u8> = ingest.frames(Lane::Orders).await.iter().flat_map(|frame| frame.payload.to_vec()).collect();
    let mut rest = &log[..];
    for (batch, line) in (0..50).flat_map(|batch| (0..lines_of(batch)).map(move |line| (batch, line))) {
        let place = memchr::memmem::find(rest, id(batch, line).as_bytes());
        rest = &rest[place.unwrap_or_else(|| panic!("line {line} of batch {batch} is before a line before it"))..];
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arrays_and_compressed_bodies_are_taken_too() {
    let ingest = Ingest::start("forms", &[]).await;
    let array = Value::from((0..10).map(order).collect::<Vec<_>>()).to_string();
    let answer = Answer::of(ingest.post("/v1/orders/batch", "application/json; charset=utf-8", array)).await;
    assert_eq!(answer.body["accepted"], 10, "{}", answer.body);
    let mut gzip = GzipEncoder::new(Vec::new());
    gzip.write_all(ndjson((10..20).map(order)).as_bytes()).await.unwrap();
    gzip.shutdown().await.unwrap();
    let mut zstd = ZstdEncoder::new(Vec::new());
    zstd.write_all(ndjson((20..30).map(order)).as_bytes()).await.unwrap();
    zstd.shutdown().await.unwrap();
    for (encoding, body) in [("gzip", gzip.into_inner()), ("zstd", zstd.into_inner())] {
        let request =
            ingest.post("/v1/orders/batch", "application/x-ndjson", body).header("content-encoding", encoding);
        let answer = Answer::of(request).await;
        assert_eq!(answer.body["accepted"], 10, "{encoding}: {}", answer.body);
    }
    assert_eq!(ingest.logged(Lane::Orders).await.len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_order_mark_costs_no_order() {
    let ingest = Ingest::start("mark", &[]).await;
    let marked = |text: String| format!("\u{feff}{text}");
    let lines = ingest.batch(marked(ndjson((0..3).map(order)))).await;
    assert_eq!((&lines.body["accepted"], &lines.body["rejected"]), (&json!(3), &json!(0)), "{}", lines.body);
    let array = marked(Value::from((3..6).map(order).collect::<Vec<_>>()).to_string());
    let array = Answer::of(ingest.post("/v1/orders/batch", "application/json", array)).await;
    assert_eq!((&array.body["accepted"], &array.body["rejected"]), (&json!(3), &json!(0)), "{}", array.body);
    let single = Answer::of(ingest.post("/v1/orders", "application/json", marked(order(6).to_string()))).await;
    assert_eq!(single.status, 202, "{}", single.body);
    assert_eq!(ingest.logged(Lane::Orders).await.len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_that_nobody_knows_stores_nothing() {
    let ingest = Ingest::start("parameters", &[]).await;
    for (path, media_type) in [
        ("/v1/orders", "application/json"),
        ("/v1/orders/batch", "application/x-ndjson"),
        ("/v1/orders/O1/events", "application/json"),
        ("/v1/events/batch", "application/x-ndjson"),
    ] {
        for query in ["dry_run=true", "x"] {
            let answer = Answer::of(ingest.post(&format!("{path}?{query}"), media_type, order(1).to_string())).await;
            assert_eq!(answer.problem(400, "malformed"), "there are no parameters here", "{path}?{query}");
        }
    }
    assert_eq!(ingest.logged(Lane::Orders).await.len(), 0);
    assert_eq!(Answer::of(ingest.post("/v1/orders?", "application/json", order(1).to_string())).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_batch_gets_one_clear_answer() {
    let ingest = Ingest::start("wrongbatch", &["--batch-bytes-max", "100KiB"]).await;
    let send =
        async |media_type: &str, body: String| Answer::of(ingest.post("/v1/orders/batch", media_type, body)).await;
    send("application/x-ndjson", String::new()).await.problem(422, "invalid");
    send("application/json", "[]".into()).await.problem(422, "invalid");
    send("application/json", "{}".into()).await.problem(400, "malformed");
    send("text/csv", "a,b".into()).await.problem(415, "unsupported_media_type");
    let all_bad = send("application/x-ndjson", "1\n2\n".into()).await;
    all_bad.problem(422, "invalid");
    assert_eq!((&all_bad.body["rejected"], all_bad.body["errors"].as_array().unwrap().len()), (&json!(2), 2));
    let large = send("application/x-ndjson", ndjson((0..1000).map(order))).await;
    large.problem(413, "too_large");
    let torn = ingest.post("/v1/orders/batch", "application/x-ndjson", &b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x01"[..]);
    let torn = Answer::of(torn.header("content-encoding", "gzip")).await;
    torn.problem(400, "malformed");
    assert!(torn.body["detail"].as_str().unwrap().contains("torn"), "{}", torn.body);
    let garbage = ingest.post("/v1/orders/batch", "application/x-ndjson", "garbage").header("content-encoding", "zstd");
    Answer::of(garbage).await.problem(400, "malformed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_cut_says_how_many_lines_are_settled() {
    let ingest = Ingest::start("cut", &["--batch-bytes-max", "1MiB"]).await;
    let answer = ingest.batch(ndjson((1..=10_000).map(order))).await;
    answer.problem(413, "too_large");
    let settled = answer.body["settled_lines"].as_u64().unwrap();
    assert_eq!(answer.body["accepted"], settled);
    let logged = ingest.logged(Lane::Orders).await;
    assert!(settled > 0 && logged.len() as u64 >= settled, "{settled} settled, {} logged", logged.len());
    for number in 1..=settled {
        assert!(logged.contains_key(&format!("ORD{number}")), "line {number} is settled and not logged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_trickles_is_logged_as_it_comes() {
    let ingest = Ingest::start("trickle", &[]).await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<String, std::io::Error>>(1);
    let body = reqwest::Body::wrap_stream(futures::stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    }));
    let answer = tokio::spawn(Answer::of(ingest.post("/v1/orders/batch", "application/x-ndjson", body)));
    for number in 0..3usize {
        sender.send(Ok(ndjson([order(number as u32)]))).await.unwrap();
        eventually("a line is logged while the body goes on", async || {
            let logged = ingest.logged(Lane::Orders).await.len();
            (logged > number, logged)
        })
        .await;
    }
    drop(sender);
    assert_eq!(answer.await.unwrap().body["accepted"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_faster_than_its_rate_is_slowed_down_and_not_refused() {
    let ingest = Ingest::start("slow", &["--orders-per-s", "1000"]).await;
    let begin = std::time::Instant::now();
    let answer = ingest.batch(ndjson((0..1500).map(order))).await;
    assert_eq!((answer.status.as_u16(), &answer.body["accepted"]), (202, &json!(1500)));
    assert!(begin.elapsed().as_millis() >= 400, "1500 orders at 1000 a second took {:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_slowed_down_for_longer_than_its_client_waits_is_cut_short_and_gone_on_with() {
    let ingest = Ingest::start("prefer", &["--orders-per-s", "100"]).await;
    let (mut first, mut requests) = (0, 0);
    while first < 500 {
        let lines = ndjson((first..500).map(order));
        let request = ingest.post("/v1/orders/batch", "application/x-ndjson", lines).header("prefer", "wait=1");
        let answer = Answer::of(request).await;
        let settled = if answer.status == 202 {
            u64::from(500 - first)
        } else {
            answer.problem(429, "rate_limited");
            assert!(!answer.header("retry-after").is_empty() && !answer.header("ratelimit").is_empty());
            answer.body["settled_lines"].as_u64().unwrap()
        };
        assert_eq!((answer.body["accepted"].as_u64().unwrap(), settled > 0), (settled, true), "{}", answer.body);
        (first, requests) = (first + settled as u32, requests + 1);
    }
    assert!((2..=6).contains(&requests), "{requests} requests of a second or a little more each");
    assert_eq!(ingest.logged(Lane::Orders).await.len(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_over_all_processes_together() {
    const FLAGS: [&str; 2] = ["--orders-per-s", "1000"];
    let first = Ingest::start("together", &FLAGS).await;
    let second = Ingest::serve(&first.log, &FLAGS).await;
    second.ready_without(&[]).await;
    let orders = |first: u32| ndjson((first..first + 3000).map(order));
    let begin = std::time::Instant::now();
    let other = second.post("/v1/orders/batch", "application/x-ndjson", orders(3000));
    let (one, other) = tokio::join!(first.batch(orders(0)), Answer::of(other));
    assert_eq!((&one.body["accepted"], &other.body["accepted"]), (&json!(3000), &json!(3000)));
    // Each has a second's orders at first; the other four thousand come at a thousand a second, and not at two.
    assert!(begin.elapsed().as_millis() >= 3200, "6000 orders at 1000 a second took {:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_at_the_same_time_never_starve_each_other_of_memory() {
    let ingest = Ingest::start("memory", &["--memory-max", "1MiB"]).await;
    let batches = (0..16u32).map(|batch| ingest.batch(ndjson((batch * 3000..(batch + 1) * 3000).map(order))));
    let answers: Vec<Answer> = futures::stream::iter(batches).buffer_unordered(16).collect().await;
    for answer in &answers {
        assert_eq!((answer.status.as_u16(), &answer.body["accepted"]), (202, &json!(3000)), "{}", answer.body);
    }
    assert_eq!(ingest.logged(Lane::Orders).await.len(), 48_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_in_the_log_say_whose_they_are_and_the_receipt_says_so_too() {
    let ingest = Ingest::start("claims", &[]).await;
    let batches = [0..3000, 3000..3100].map(|numbers| ndjson(numbers.map(order)));
    let single = order(9000);
    let [large, small] = batches.map(|lines| ingest.batch(lines));
    let (large, small, one) = tokio::join!(large, small, ingest.order(&single));
    let mut expected = BTreeMap::new();
    for (answer, orders) in [(large, 3000), (small, 100), (one, 1)] {
        assert_eq!(answer.status, 202, "{}", answer.body);
        let receipt = answer.body["receipt"].as_str().unwrap();
        assert!(receipt.len() < 120, "{receipt}");
        let accepted = receipt.parse::<Receipt>().unwrap().accepted().unwrap();
        assert_eq!(accepted.orders, orders);
        expected.extend((0..accepted.pieces).map(|piece| (accepted.request.piece(piece), (accepted.request, orders))));
    }
    // Every row is some request's, and each request has as many as it was told.
    let mut rows = BTreeMap::new();
    for frame in ingest.frames(Lane::Orders).await {
        assert_eq!(frame.claims.iter().map(|claim| claim.rows).sum::<u32>(), frame.rows);
        for claim in frame.claims.iter() {
            let &(request, orders) = expected.get(&claim.of.request).expect("a piece that a receipt has");
            *rows.entry((request, orders)).or_insert(0) += u64::from(claim.rows);
        }
    }
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|((_, orders), rows)| orders == rows), "{rows:?}");
}
