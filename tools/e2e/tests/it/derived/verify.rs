use forebay_e2e::System;
use forebay_stack::Durability;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn what_went_through_ingest_verifies_and_can_be_looked_at() {
    let system = System::start(3, Durability::Fast, &[]).await.unwrap();
    let generate = ["generate", "--orders", "20000", "--seed", "11"];
    let orders = system.forebay(&generate, b"").await.unwrap().ok().unwrap().stdout.into_bytes();
    system.replay(&["-"], &orders).await.unwrap();
    // Ids that Forebay assigns have no index entry.
    for customer in 0..20 {
        let items = json!([{"sku": "A", "quantity": 3, "price": 100, "seller_id": "S1"}]);
        let (status, answer) = system.post(&json!({"customer_id": customer, "items": items})).await.unwrap();
        assert_eq!(status, 202, "{answer}");
    }
    system.wait_for_orders(20_020).await.unwrap();
    system.wait_until_settled().await.unwrap();
    let run = system.forebay(&["verify", "--full", "--json"], b"").await.unwrap().ok().unwrap();
    let report = run.json().unwrap();
    assert_eq!(
        (&report["orders_checked"], &report["index_entries_checked"]),
        (&json!(20_020), &json!(20_000)),
        "{report}"
    );
    assert_eq!((&report["differences"], &report["explained"]), (&json!(0), &json!(0)), "{report}");
    let lanes = report["lanes"].as_array().unwrap();
    assert!(lanes.len() == 15 && lanes.iter().all(|lane| lane["log_is_whole"] == true), "{report}");

    let run = system.forebay(&["log", "show", "orders", "0", "--limit", "1"], b"").await.unwrap().ok().unwrap();
    assert!(run.stdout.starts_with("frame ") && run.stdout.contains("{\"bucket\":"), "{}", run.stdout);
    let run = system.forebay(&["dead", "list"], b"").await.unwrap().ok().unwrap();
    assert_eq!(run.stdout, "There are no dead letters.\n");

    // An order that is gone is found by a sample too: here the sample is everything that one shard has.
    system.stack.sql(1, "delete from orders").await.unwrap();
    let run = system.forebay(&["verify", "--shard", "1"], b"").await.unwrap();
    assert!(run.code == Some(1) && run.stdout.contains("the table orders has 0"), "{run:?}");
    system.stop().await.unwrap();
}
