use forebay_e2e::System;
use forebay_stack::Durability;
use serde_json::json;

/// Notes are no reason to forget what was paid, or what an order has become.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_order_has_become_is_not_forgotten_over_what_is_only_to_be_remembered() {
    let system = System::start(2, Durability::Fast, &[]).await.unwrap();
    let item =
        |seller: &str, quantity: u64| json!({"sku": "A", "quantity": quantity, "price": 100, "seller_id": seller});
    let order =
        json!({"customer_id": "C1", "order_id": "MANY", "timestamp": "2025-06-01T00:00:00Z", "items": [item("S1", 2)]});
    assert_eq!(system.post(&order).await.unwrap().0, 202);
    let event = |number: u64, kind: &str| {
        let at = format!("2025-06-02T{:02}:{:02}:{:02}Z", number / 3600, number / 60 % 60, number % 60);
        json!({"customer_id": "C1", "order_id": "MANY", "event_id": format!("E{number}"), "kind": kind, "at": at})
    };
    let (mut paid, mut amended) = (event(1, "paid"), event(2, "amended"));
    paid["amount"] = 200.into();
    amended["items"] = json!([item("S2", 6)]);
    let notes = (3..12_003).map(|number| event(number, if number % 2 == 0 { "note" } else { "x-seen" }));
    let events: Vec<_> = [paid, amended].into_iter().chain(notes).collect();
    let mut receipt = String::new();
    for events in events.chunks(3000) {
        let (status, answer) = system.post_to("/v1/events/batch", &json!(events)).await.unwrap();
        assert_eq!((status, &answer["accepted"]), (202, &json!(events.len())), "{answer}");
        receipt = answer["receipt"].as_str().unwrap().to_owned();
    }
    let after = format!("after={receipt}&wait_ms=60000");
    let (_, order) = system.get(&format!("/v1/customers/C1/orders/MANY?{after}")).await.unwrap();
    assert_eq!(
        (&order["total"], &order["paid"], &order["items"][0]["quantity"]),
        (&json!(600), &json!(200), &json!(6))
    );
    let (_, mine) = system.get(&format!("/v1/sellers/S2/orders?{after}")).await.unwrap();
    assert_eq!(mine["data"][0]["subtotal"], 600, "{mine}");
    let verify = system.forebay(&["verify", "--full"], b"").await.unwrap();
    assert_eq!(verify.code, Some(0), "{verify:?}");
    system.stop().await.unwrap();
}
