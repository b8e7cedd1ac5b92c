//! Many orders by their ids: each as it is found alone.

use forebay_model::{Lane, ShardId};
use forebay_testkit::service::Answer;
use serde_json::{Value, json};

use crate::scene::Scene;

const AT: &str = "2025-06-30T12:30:00.123456Z";

fn order(customer: &str, order_id: Option<&str>, at: &str) -> Value {
    let mut order = json!({
        "customer_id": customer, "timestamp": at, "items": [{"sku": "x", "quantity": 1, "price": 5}]
    });
    if let Some(order_id) = order_id {
        order["order_id"] = order_id.into();
    }
    order
}

async fn look_up(scene: &Scene, parameters: &str, ids: &Value) -> Answer {
    let body = json!({"ids": ids}).to_string();
    Answer::of(scene.query.post(&format!("/v1/orders/lookup{parameters}"), "application/json", body)).await
}

#[tokio::test]
async fn orders_come_in_the_order_of_their_ids_with_null_for_what_is_unknown() {
    let mut scene = Scene::start("lookup").await;
    let months = (1..13).map(|month| format!("2025-{month:02}-15T12:30:00Z"));
    let named: Vec<Value> =
        (0..).zip(months).map(|(n, at)| order(&format!("C{n}"), Some(&format!("N{n}")), &at)).collect();
    let assigned: Vec<Value> = (0..12).map(|n| order(&format!("C{n}"), None, AT)).collect();
    let (mut ids, _) = scene.writing.write(&named).await;
    ids.extend(scene.writing.write(&assigned).await.0);
    // Lost with its shard, and sent again with another time than its entry has.
    scene.writing.write_derived(&[order("C1", Some("LATE"), "2025-03-01T00:00:00Z")], Lane::Index).await;
    scene.writing.write(&[order("C1", Some("LATE"), AT)]).await;
    scene.writing.write_derived(&[order("C1", Some("GONE"), AT)], Lane::Index).await;
    let mut ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    ids.extend(["LATE", "GONE", "nobody", "N3"].map(str::to_owned));
    ids.reverse();
    let answer = look_up(&scene, "", &json!(ids)).await;
    assert!(answer.header("forebay-position").contains("d2."), "{}", answer.header("forebay-position"));
    assert_eq!(answer.header("forebay-cache"), "bypass");
    let found = answer.ok();
    assert_eq!((&found["ambiguous"], &found["shards_missing"]), (&json!({}), &json!([])));
    let data = found["data"].as_array().unwrap();
    assert_eq!(data.len(), ids.len());
    for (order, id) in data.iter().zip(&ids) {
        let alone = scene.get(&format!("/v1/orders/{id}")).await;
        if ["GONE", "nobody"].contains(&id.as_str()) {
            alone.problem(404, "not_found");
            assert_eq!(*order, Value::Null, "{id}");
        } else {
            assert_eq!(*order, alone.ok(), "{id}");
        }
    }
}

#[tokio::test]
async fn of_an_id_that_several_have_the_customers_are_named() {
    let mut scene = Scene::start("lookupsame").await;
    scene.writing.write(&["C3", "C1"].map(|customer| order(customer, Some("X1"), AT))).await;
    scene.writing.write(&[order("C1", Some("X2"), AT), order("C1", Some("lookup"), AT)]).await;
    let found = look_up(&scene, "", &json!(["X1", "X2"])).await.ok();
    assert_eq!((&found["data"][0], &found["data"][1]["order_id"]), (&Value::Null, &json!("X2")));
    assert_eq!(found["ambiguous"], json!({"X1": ["C1", "C3"]}));
    // Its path is this one's, too.
    assert_eq!(scene.get("/v1/orders/lookup").await.ok()["order_id"], "lookup");
}

#[tokio::test]
async fn what_a_receipt_names_is_waited_for_and_a_shard_may_be_left_out() {
    let mut scene = Scene::start("lookupwait").await;
    let (_, receipt) = scene.writing.log(&[order("C1", Some("X1"), AT)]).await;
    let waiting = look_up(&scene, &format!("?after={receipt}&wait_ms=60"), &json!(["X1"])).await;
    waiting.problem(504, "not_yet_visible");
    scene.writing.commit().await;
    let found = look_up(&scene, &format!("?after={receipt}"), &json!(["X1"])).await.ok();
    assert_eq!(found["data"][0]["customer_id"], "C1");
    let customers = [0, 1, 2].map(|shard| scene.writing.customer_of(ShardId(shard)));
    let (ids, _) = scene.writing.write(&customers.map(|customer| order(&customer, None, AT))).await;
    let ids = json!(ids.iter().map(ToString::to_string).collect::<Vec<_>>());
    scene.take_down(ShardId(1)).await;
    let refused = look_up(&scene, "", &ids).await;
    let advised = "shard 1 cannot be read now; with partial=true the rest is answered";
    assert_eq!(refused.problem(503, "shard_unavailable"), advised);
    let found = look_up(&scene, "?partial=true", &ids).await.ok();
    assert_eq!((&found["data"][1], &found["shards_missing"]), (&Value::Null, &json!([1])));
    assert!(found["data"][0].is_object() && found["data"][2].is_object());
}

#[tokio::test]
async fn a_mistake_is_named_with_its_place() {
    let scene = Scene::start("lookupwrong").await;
    let long = "x".repeat(129);
    let answer = look_up(&scene, "", &json!(["a", long, "b"])).await;
    answer.problem(422, "invalid");
    assert_eq!(answer.body["errors"], json!([{"pointer": "/ids/1", "detail": "must have at most 128 characters"}]));
    look_up(&scene, "", &json!([])).await.problem(422, "invalid");
    look_up(&scene, "", &json!(vec!["a"; 1001])).await.problem(422, "invalid");
    assert_eq!(look_up(&scene, "", &json!(vec!["a"; 1000])).await.ok()["data"], json!(vec![Value::Null; 1000]));
    look_up(&scene, "", &json!([1])).await.problem(400, "malformed");
    look_up(&scene, "?limit=1", &json!(["a"])).await.problem(400, "malformed");
}
