//! An order comes back as it was sent.

use serde_json::{Value, json};

use crate::scene::Scene;

/// An order with everything that could be lost or changed on the way.
fn sent() -> Value {
    json!({
        "order_id": "ORD \"1\"/\\ü", "customer_id": "CUST/7 ä&?", "timestamp": "2025-06-30T12:30:00.123456Z",
        "items": [
            {"sku": "SHOE001", "quantity": 2, "price": 2999, "seller_id": "S7", "size": {"eu": [42, 42.5]}, "gift": null},
            {"sku": "Ω\n", "quantity": 1, "price": 0, "seller_id": "S8", "": ""}
        ],
        "currency": "GBP", "note": "a }{ \u{1F600} \"q\" \\ \t", "big": 123_456_789_012_345_678_901_234_567_890_f64, "nested": {"a": [[], {}, "x"]},
        "warehouse_id": 12, "null": null, "é": true
    })
}

#[tokio::test]
async fn an_order_comes_back_as_it_was_sent() {
    let mut scene = Scene::start("answers").await;
    scene.writing.write(&[sent()]).await;
    let mut expected = sent();
    expected["total"] = json!(5998);
    let customer = "CUST%2F7%20%C3%A4%26%3F";
    let order = "ORD%20%221%22%2F%5C%C3%BC";
    for path in [format!("/v1/customers/{customer}/orders/{order}"), format!("/v1/orders/{order}")] {
        let answer = scene.get(&path).await;
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.ok(), expected, "{path}");
    }
    for path in [format!("/v1/customers/{customer}/orders"), "/v1/orders".to_owned()] {
        let list = scene.get(&path).await.ok();
        assert_eq!(list, json!({"data": [expected], "has_more": false, "next_cursor": null, "shards_missing": []}));
    }
}

#[tokio::test]
async fn a_view_shows_its_own_items_and_their_subtotal() {
    let mut scene = Scene::start_with(
        "views",
        &["--views", "seller=items[].seller_id,warehouse=warehouse_id,factory=items[].factory"],
        |map| map,
    )
    .await;
    scene.writing.write(&[sent()]).await;
    let seen = scene.get("/v1/sellers/S7/orders").await.ok();
    let expected = json!({
        "order_id": sent()["order_id"], "customer_id": sent()["customer_id"], "timestamp": sent()["timestamp"], "currency": "GBP",
        "items": [sent()["items"][0]], "subtotal": 5998
    });
    assert_eq!(seen["data"], json!([expected]));
    let whole = scene.get("/v1/warehouses/12/orders").await.ok();
    assert_eq!(whole["data"][0]["items"], sent()["items"]);
    assert_eq!(scene.get("/v1/factories/12/orders").await.ok()["data"], json!([]));
    assert_eq!(scene.get("/v1/sellers/S9/orders").await.ok()["data"], json!([]));
}
