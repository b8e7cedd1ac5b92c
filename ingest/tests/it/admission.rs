//! Which orders are taken: by rules of who runs it, and under keys.

use forebay_model::{Lane, OrderId};
use forebay_testkit::service::Answer;
use serde_json::{Value, json};

use crate::harness::{Ingest, order};

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_who_runs_it_are_kept_by_single_orders_and_batches_alike() {
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("schema.json");
    let rules = json!({"required": ["channel"], "properties": {"channel": {"enum": ["web", "shop"]}}});
    std::fs::write(&schema, rules.to_string()).unwrap();
    let ingest = Ingest::start("schema", &["--order-schema", schema.to_str().unwrap()]).await;
    let with = |number: u32, channel: &str| {
        let mut order = order(number);
        order["channel"] = channel.into();
        order
    };
    let answer = ingest.order(&order(1)).await;
    answer.problem(422, "invalid");
    assert_eq!(answer.body["errors"], json!([{"pointer": "/channel", "detail": "is required"}]));
    assert_eq!(ingest.order(&with(2, "web")).await.status, 202);
    let lines = format!("{}\n{}\n", with(3, "mail"), with(4, "shop"));
    let report = ingest.batch(lines).await;
    assert_eq!((&report.body["accepted"], &report.body["rejected"]), (&json!(1), &json!(1)), "{}", report.body);
    assert_eq!(report.body["errors"][0]["detail"], "/channel is not one of \"web\" or \"shop\"");
    let logged: Vec<String> = ingest.logged(Lane::Orders).await.into_keys().collect();
    assert_eq!(logged, ["ORD2", "ORD4"]);
}

async fn keyed(ingest: &Ingest, key: &str, text: impl Into<String>) -> Answer {
    Answer::of(ingest.post("/v1/orders", "application/json", text.into()).header("idempotency-key", key)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_and_an_order_are_one_order_however_it_is_written() {
    let ingest = Ingest::start("keys", &[]).await;
    let mut order = order(1);
    order["order_id"] = Value::Null;
    let text = order.to_string();
    let mut backwards: Vec<String> =
        order.as_object().unwrap().iter().map(|(name, value)| format!("{} : {value}", json!(name))).collect();
    backwards.reverse();
    let mut ids = Vec::new();
    for (key, text) in [("a", text.clone()), ("a", format!("{{ {} }}", backwards.join(" , "))), ("b", text.clone())] {
        let answer = keyed(&ingest, key, text).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        ids.push(answer.body["order_id"].clone());
    }
    assert!(ids[0] == ids[1] && ids[0] != ids[2], "{ids:?}");
    let id = OrderId::new(ids[0].as_str().unwrap()).unwrap();
    assert!(id.home().is_some(), "it leads to its order");

    let before = ingest.logged(Lane::Orders).await;
    for (field, value) in [
        ("customer_id", json!("another")),
        ("timestamp", json!("2025-06-30T12:30:01Z")),
        ("gift", json!(true)),
        ("order_id", json!("O")),
    ] {
        let mut another = order.clone();
        another[field] = value;
        let answer = keyed(&ingest, "a", another.to_string()).await;
        assert!(answer.problem(422, "invalid").contains("Idempotency-Key was used for another order"), "{field}");
    }
    // What was refused has taken no key.
    assert_eq!(ingest.logged(Lane::Orders).await, before);
    assert_eq!(keyed(&ingest, "a", text).await.body["order_id"], ids[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_would_be_another_each_time_is_refused_with_a_key_in_every_form() {
    let ingest = Ingest::start("unkeyed", &[]).await;
    let mut order = order(1);
    (order["order_id"], order["timestamp"]) = (Value::Null, Value::Null);
    let answer = keyed(&ingest, "a", order.to_string()).await;
    answer.problem(422, "invalid");
    assert_eq!(answer.body["errors"][0]["pointer"], "/timestamp");
    for (media_type, body) in
        [("application/x-ndjson", order.to_string()), ("application/json", json!([order]).to_string())]
    {
        let request = ingest.post("/v1/orders/batch", media_type, body).header("idempotency-key", "a");
        let answer = Answer::of(request).await;
        answer.problem(422, "invalid");
        assert!(
            answer.body["errors"][0]["detail"].as_str().unwrap().starts_with("/timestamp is required"),
            "{}",
            answer.body
        );
    }
    // Without a key nobody has said that it may come again.
    assert_eq!(ingest.order(&order).await.status, 202);
}
