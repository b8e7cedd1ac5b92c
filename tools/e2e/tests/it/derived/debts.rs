use forebay_e2e::System;
use forebay_stack::{Durability, ServiceName};
use serde_json::{Value, json};

const KEYS: &str = "select string_agg(key || ' ' || order_id || ' ' || event_id, ',' order by key, order_id, event_id) from view_events";
const AGAIN: &str =
    "select coalesce(sum(rows_duplicate), 0)::int8 from lane_tally where lane in ('index', 'views', 'view_events')";

/// What events add is owed: that is found again in the log, and what follows from their orders, which was never owed, is not.
#[tokio::test(flavor = "multi_thread")]
async fn what_only_events_add_is_made_up_without_what_follows_from_their_orders() {
    let system = System::start(3, Durability::Fast, &[]).await.unwrap();
    let order = |number: u32| {
        let items = json!([{"sku": "A", "quantity": 1, "price": 100, "seller_id": format!("S{}", number % 5)}]);
        json!({"customer_id": format!("C{}", number % 7), "order_id": format!("O{number}"),
            "timestamp": "2025-06-01T12:00:00Z", "items": items})
    };
    let event = |number: u32, kind: &str, at: &str| json!({"customer_id": format!("C{}", number % 7), "order_id": format!("O{number}"), "event_id": kind, "kind": kind, "at": at});
    let post = async |path: &str, facts: Vec<Value>| {
        let (status, answer) = system.post_to(path, &json!(facts)).await.unwrap();
        assert_eq!((status, &answer["accepted"]), (202, &json!(facts.len())), "{answer}");
        system.wait_until_settled().await.unwrap();
    };
    post("/v1/orders/batch", (0..200).map(order).collect()).await;
    post("/v1/events/batch", (0..200).map(|number| event(number, "packed", "2025-06-02T12:00:00Z")).collect()).await;
    let mut notes = Vec::new();
    for shard in 0..3 {
        notes.push(system.sql(shard, "select min(stream_seq) from derived_through").await.unwrap());
    }
    post("/v1/events/batch", (0..200).map(|number| event(number, "shipped", "2025-06-03T12:00:00Z")).collect()).await;
    let mut there = Vec::new();
    for shard in 0..3 {
        there.push(system.sql(shard, KEYS).await.unwrap());
    }
    assert_eq!(system.sum("select count(*) from view_events").await.unwrap(), 400);
    assert_eq!(system.sum(AGAIN).await.unwrap(), 0);

    // As after a crash in which nobody noted the last of it, and the targets have lost it.
    system.process(ServiceName::Writer).kill().await;
    for (shard, seq) in notes.iter().enumerate() {
        let lost = format!(
            "update derived_through set stream_seq = {}; delete from view_events where kind = 'shipped'",
            seq.trim()
        );
        system.sql(shard, &lost).await.unwrap();
    }
    system.process(ServiceName::Writer).restart().await.unwrap();
    system.wait_until_settled().await.unwrap();
    for (shard, there) in there.iter().enumerate() {
        assert_eq!(system.sql(shard, KEYS).await.unwrap(), *there);
    }
    assert_eq!(system.sum(AGAIN).await.unwrap(), 0, "what was not owed was made again");
    system.stop().await.unwrap();
}
