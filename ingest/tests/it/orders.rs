use forebay_model::tuple::Tuples;
use forebay_model::{Lane, Receipt, StreamKind, SystemSettings};
use forebay_testkit::log::{even_map, settings as log_settings};
use forebay_testkit::service::Answer;
use serde_json::{Value, json};

use crate::harness::{Ingest, SHARDS, order};

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_order_is_one_entry_of_the_log() {
    let ingest = Ingest::start("accepted", &[]).await;
    let answer = ingest.order(&order(1)).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(answer.body["order_id"], "ORD1");
    assert_eq!(answer.body["timestamp"], "2025-06-30T12:30:00.000000Z");
    assert_eq!(answer.headers["ratelimit-policy"], "\"orders\";q=1000000;w=1");
    assert!(answer.headers["ratelimit"].to_str().unwrap().starts_with("\"orders\";r=999999;t="));
    ingest.assert_logged(&answer.body["receipt"]).await;
    assert_eq!(ingest.logged(Lane::Orders).await.get("ORD1"), Some(&1));
    for lane in StreamKind::Derived.lanes() {
        assert!(ingest.logged(lane).await.is_empty(), "what follows from an order is not ingest's: {lane}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_names_no_currency_is_logged_with_that_of_the_system() {
    let map = even_map(SHARDS);
    let settings = SystemSettings { currency: "USD".parse().unwrap(), ..map.settings().clone() };
    let map = map.with_settings(settings);
    let ingest = Ingest::start_with(log_settings("currency").await, &StreamKind::ALL, map, &[]).await;
    let send = async |number: u32, currency: Value| {
        let mut order = order(number);
        order["currency"] = currency;
        ingest.order(&order).await
    };
    for (number, sent, logged) in [(1, json!("GBP"), "GBP"), (2, Value::Null, "USD")] {
        let answer = send(number, sent).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        let receipt: Receipt = answer.body["receipt"].as_str().unwrap().parse().unwrap();
        for (stream, position) in receipt.positions() {
            let stored = ingest.log.frame(stream, position.seq).await.unwrap().unwrap().unwrap();
            let tuple = Tuples::new(stored.kind.lane().unwrap(), stored.payload()).next().unwrap().unwrap();
            assert_eq!(tuple.named("currency"), Some(logged.as_bytes()), "{stream}");
        }
    }
    let answer = send(3, json!("usd")).await;
    answer.problem(422, "invalid");
    assert_eq!(answer.body["errors"][0]["pointer"], "/currency", "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_an_order_is_named_by_its_pointer() {
    let ingest = Ingest::start("faults", &[]).await;
    let answer = ingest.order(&json!({"items": [{"sku": "a", "quantity": 0, "price": 1}]})).await;
    answer.problem(422, "invalid");
    let errors: Vec<&str> =
        answer.body["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    assert_eq!(errors, ["/items/0/quantity", "/customer_id"]);
    assert!(ingest.served.metrics().await.contains("forebay_ingest_rejected_orders_total{code=\"invalid\"} "));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_an_order_gets_one_clear_answer() {
    let ingest = Ingest::start("wrong", &[]).await;
    let send = async |media_type: &str, body: String| Answer::of(ingest.post("/v1/orders", media_type, body)).await;
    send("application/json", String::new()).await.problem(400, "malformed");
    send("application/json", "{".into()).await.problem(400, "malformed");
    send("application/json", "[]".into()).await.problem(400, "malformed");
    send("application/json", "x".repeat(1 << 20)).await.problem(413, "too_large");
    send("text/plain", order(1).to_string()).await.problem(415, "unsupported_media_type");
    let latin = send("application/json; charset=ISO-8859-1", order(1).to_string()).await;
    latin.problem(415, "unsupported_media_type");
    let said = "the request has the content type `application/json; charset=iso-8859-1`; send application/json, encoded as UTF-8";
    assert_eq!(latin.body["detail"], said);
    let latin = ingest.post("/v1/orders/batch", "application/x-ndjson; charset=latin1", "x");
    Answer::of(latin).await.problem(415, "unsupported_media_type");
    let gzip = ingest.post("/v1/orders", "application/json", "x").header("content-encoding", "br");
    Answer::of(gzip).await.problem(415, "unsupported_media_type");
    let line = ingest.post("/v1/orders", "application/json", "x").header("forebay-first-line", "0");
    Answer::of(line).await.problem(400, "malformed");
    assert!(ingest.logged(Lane::Orders).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_beyond_its_rate_gets_429_and_is_told_when() {
    let ingest = Ingest::start("rate", &["--orders-per-s", "1"]).await;
    assert_eq!(ingest.order(&order(1)).await.status, 202);
    let answer = ingest.order(&order(2)).await;
    answer.problem(429, "rate_limited");
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(answer.headers["ratelimit-policy"], "\"orders\";q=1;w=1");
    assert_eq!(answer.headers["ratelimit"], "\"orders\";r=0;t=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_share_frames_and_each_has_its_own_receipt() {
    let ingest = Ingest::start("share", &[]).await;
    let orders: Vec<Value> = (0..400).map(order).collect();
    let answers = futures::future::join_all(orders.iter().map(|order| ingest.order(order))).await;
    assert!(answers.iter().all(|answer| answer.status == 202));
    for answer in &answers {
        ingest.assert_logged(&answer.body["receipt"]).await;
    }
    let logged = ingest.logged(Lane::Orders).await;
    assert_eq!((logged.len(), logged.values().sum::<usize>()), (400, 400));
}
