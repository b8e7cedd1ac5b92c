use forebay_e2e::System;
use forebay_stack::Durability;
use serde_json::json;

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
    assert_eq!((status, data.len(), &data[0]["timestamp"]), (200, 1, &json!("2025-06-30T12:30:00Z")), "{list}");

    let run = system.forebay(&["dead", "list", "--lane", "orders", "--json"], b"").await.unwrap().ok().unwrap();
    let letter = &run.json().unwrap()["letters"][0];
    assert_eq!((&letter["reason"], &letter["differs"]), (&json!("conflict"), &json!(["ordered_at"])), "{letter}");
    let run = system.forebay(&["verify", "--full", "--json"], b"").await.unwrap().ok().unwrap();
    let report = run.json().unwrap();
    assert_eq!((&report["differences"], &report["explained"]), (&json!(0), &json!(0)), "{report}");
    system.stop().await.unwrap();
}
