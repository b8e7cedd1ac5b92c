use forebay_e2e::System;
use forebay_stack::{Durability, ServiceName};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_id_at_another_time_is_accepted_and_lies_among_the_dead_letters() {
    let system = System::start(2, Durability::Fast, &[]).await.unwrap();
    for at in ["2025-06-30T12:30:00Z", "2025-07-01T00:00:00Z"] {
        let items = json!([{"sku": "A", "quantity": 3, "price": 100, "seller_id": "S1"}]);
        let order = json!({"customer_id": "C1", "order_id": "X1", "timestamp": at, "items": items});
        let (status, answer) = system.post(&order).await.unwrap();
        assert_eq!(status, 202, "{answer}");
    }
    system.wait_for("select count(*) from dead_letter", 1).await.unwrap();
    // Nothing follows from the one that died.
    system.wait_until_settled().await.unwrap();
    for table in ["order_index", "order_views"] {
        let times = "to_char(ordered_at at time zone 'utc', 'YYYY-MM-DD')";
        let mut rows = String::new();
        for shard in 0..2 {
            rows += &system.stack.sql(shard, &format!("select order_id, {times} from {table}")).await.unwrap();
        }
        assert_eq!(rows.trim(), "X1|2025-06-30", "{table}");
    }
    let (status, list) = system.get("/v1/customers/C1/orders").await.unwrap();
    let data = list["data"].as_array().unwrap();
    assert_eq!((status, data.len(), &data[0]["timestamp"]), (200, 1, &json!("2025-06-30T12:30:00.000000Z")), "{list}");

    let run = system.forebay(&["dead", "list", "--lane", "orders", "--json"], b"").await.unwrap().ok().unwrap();
    let letter = &run.json().unwrap()["letters"][0];
    assert_eq!((&letter["reason"], &letter["differs"]), (&json!("conflict"), &json!(["ordered_at"])), "{letter}");
    let run = system.forebay(&["verify", "--full", "--json"], b"").await.unwrap().ok().unwrap();
    let report = run.json().unwrap();
    assert_eq!((&report["differences"], &report["explained"]), (&json!(0), &json!(0)), "{report}");
    system.stop().await.unwrap();
}

/// Sends an order with a key, and gives what became of it.
async fn became_of(system: &System, ingest: &str, key: &str, order: &Value) -> Value {
    let http = forebay_testkit::service::http_client();
    let post = http.post(format!("{ingest}/v1/orders")).header("idempotency-key", key).json(order);
    let answer = post.send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let accepted: Value = answer.json().await.unwrap();
    let receipt = accepted["receipt"].as_str().unwrap();
    system.get(&format!("/v1/receipts/{receipt}?wait_ms=20000")).await.unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_comes_again_by_another_ingest_is_one_order_and_another_with_its_key_is_not_stored() {
    let mut system = System::start(2, Durability::Fast, &[]).await.unwrap();
    let first = system.url(ServiceName::Ingest, "");
    let other = system.start_another(ServiceName::Ingest, &[]).await.unwrap();
    let item = |price: i64| json!([{"sku": "A", "quantity": 1, "price": price}]);
    let order =
        json!({"customer_id": "C1", "timestamp": "2025-06-30T12:30:00Z", "items": item(1), "x": {"b": 1, "a": 2.0}});
    let again = json!({"x": {"a": 2, "b": 1}, "items": item(1), "timestamp": "2025-06-30T14:30:00+02:00", "customer_id": "C1", "total": 1});
    let another = json!({"customer_id": "C1", "timestamp": "2025-06-30T12:30:00Z", "items": item(2)});
    for (ingest, order, fate) in
        [(&first, &order, "stored"), (&other, &again, "duplicate"), (&first, &again, "duplicate")]
    {
        let became = became_of(&system, ingest, "K1", order).await;
        assert_eq!(became[fate], 1, "{fate}: {became}");
    }
    // The process that knows the key refuses it; one that does not know it takes it, and its shard does not.
    let third = system.start_another(ServiceName::Ingest, &[]).await.unwrap();
    let became = became_of(&system, &third, "K1", &another).await;
    assert_eq!(became["dead_by_reason"], json!({"conflict": 1}), "{became}");
    assert_eq!(system.sum("select count(*) from orders").await.unwrap(), 1);
    system.stop().await.unwrap();
}
