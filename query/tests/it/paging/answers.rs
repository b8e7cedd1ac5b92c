//! An order comes back as it was sent.

use forebay_log::Log;
use forebay_model::{SystemSettings, SystemViews, ViewId};
use forebay_testkit::eventually;
use forebay_testkit::service::Answer;
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
    expected["kind"] = json!("sale");
    expected["status"] = json!("placed");
    expected["status_at"] = expected["timestamp"].clone();
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
    let views = "seller=items[].seller_id,warehouse=warehouse_id,factory=items[].factory".parse().unwrap();
    let mut scene = Scene::start_with("views", &[], |mut map| {
        map["settings"] = serde_json::to_value(SystemSettings::with_views(&views)).unwrap();
        map
    })
    .await;
    scene.writing.write(&[sent()]).await;
    let seen = scene.get("/v1/sellers/S7/orders").await.ok();
    let expected = json!({
        "order_id": sent()["order_id"], "customer_id": sent()["customer_id"], "timestamp": sent()["timestamp"], "kind": "sale",
        "currency": "GBP", "items": [sent()["items"][0]], "subtotal": 5998, "status": "placed", "status_at": sent()["timestamp"]
    });
    assert_eq!(seen["data"], json!([expected]));
    let whole = scene.get("/v1/warehouses/12/orders").await.ok();
    assert_eq!(whole["data"][0]["items"], sent()["items"]);
    assert_eq!(scene.get("/v1/factories/12/orders").await.ok()["data"], json!([]));
    assert_eq!(scene.get("/v1/sellers/S9/orders").await.ok()["data"], json!([]));
}

#[tokio::test]
async fn views_come_and_go_without_a_restart_and_a_building_one_says_so() {
    let mut scene = Scene::start("changing").await;
    scene.writing.write(&[sent()]).await;
    let path = "/v1/warehouses/12/orders";
    let detail = scene.get(path).await.problem(404, "not_found").to_owned();
    assert_eq!(scene.get("/v1/nothing").await.problem(404, "not_found"), detail);
    let change = async |log: &Log, change: &dyn Fn(&mut SystemViews)| {
        let map = log.read_map().await.unwrap();
        let mut settings = map.settings().clone();
        change(&mut settings.views);
        log.update_map(&map.next_with(settings)).await.unwrap();
    };
    let answers = async |scene: &Scene, path: &str, status: u16, owed: Option<&str>| {
        eventually("query has seen the map", async || {
            let answer = scene.get(path).await;
            let said = answer.headers.get("forebay-owed").map(|owed| owed.to_str().unwrap().to_owned());
            ((answer.status.as_u16(), said.as_deref()) == (status, owed), (answer.status, said))
        })
        .await;
    };
    let id = ViewId::new(2).unwrap();
    change(&scene.log, &|views| assert_eq!(views.add("warehouse=warehouse_id".parse().unwrap()), Ok(id))).await;
    answers(&scene, path, 200, Some("building")).await;
    assert_eq!(scene.get(path).await.ok()["data"].as_array().unwrap().len(), 1, "what is there is shown");
    let export = scene.query.request(path).header("accept", "application/x-ndjson");
    assert_eq!(Answer::of(export).await.headers["forebay-owed"], "building");
    change(&scene.log, &|views| assert!(views.set_ready(id))).await;
    answers(&scene, path, 200, None).await;
    let cursor_of = |list: &Value| list["next_cursor"].as_str().map(str::to_owned);
    assert_eq!(cursor_of(&scene.get(path).await.ok()), None);
    change(&scene.log, &|views| drop(views.begin_drop("warehouse").unwrap())).await;
    answers(&scene, path, 404, None).await;
    // One of the same name is another one: it has nothing of what the old one had, cached or stored.
    change(&scene.log, &|views| {
        assert!(views.forget(id));
        views.add("warehouse=warehouse_id".parse().unwrap()).unwrap();
    })
    .await;
    answers(&scene, path, 200, Some("building")).await;
    assert_eq!(scene.get(path).await.ok()["data"], json!([]));
}
