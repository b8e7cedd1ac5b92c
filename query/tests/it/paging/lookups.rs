//! One order is found by its id, wherever its id says that it is, and wherever it is.

use forebay_model::{CustomerId, Lane, OrderId, ShardId, StreamKind, Tenant, Timestamp};
use serde_json::{Value, json};

use crate::scene::Scene;

fn order(customer: &str, order_id: Option<&str>, at: &str) -> Value {
    let mut order = json!({
        "customer_id": customer, "timestamp": at, "items": [{"sku": "x", "quantity": 1, "price": 5}]
    });
    if let Some(order_id) = order_id {
        order["order_id"] = order_id.into();
    }
    order
}

const AT: &str = "2025-06-30T12:30:00.123456Z";

#[tokio::test]
async fn an_assigned_id_needs_no_index_and_one_shard() {
    let mut scene = Scene::start("assigned").await;
    let customer = scene.writing.customer_of(ShardId(1));
    let (ids, _) = scene.writing.write(&[order(&customer, None, AT), order(&customer, None, AT)]).await;
    for shard in [ShardId(0), ShardId(2)] {
        scene.take_down(shard).await;
    }
    for id in ids {
        for path in [format!("/v1/orders/{id}"), format!("/v1/customers/{customer}/orders/{id}")] {
            let answer = scene.get(&path).await;
            assert!(answer.header("forebay-position").starts_with("l1."), "{}", answer.header("forebay-position"));
            assert_eq!(answer.ok()["order_id"], id.as_str());
        }
    }
}

#[tokio::test]
async fn a_foreign_uuid_v7_is_found_through_the_index() {
    let mut scene = Scene::start("foreign").await;
    // It has the form of an assigned id, and leads to another bucket, and to another time.
    let at = Timestamp::parse("2024-01-01T00:00:00Z").unwrap();
    let somebody = CustomerId::new("SOMEBODY").unwrap();
    let bucket = scene.writing.map.bucket_of(Tenant::none(), &somebody);
    for (customer, id) in
        [("ELSE", OrderId::assign(at, bucket, 1 << 40)), ("SOMEBODY", OrderId::assign(at, bucket, 2 << 40))]
    {
        scene.writing.write(&[order(customer, Some(id.as_str()), AT)]).await;
        assert_eq!(scene.get(&format!("/v1/orders/{id}")).await.ok()["customer_id"], customer);
        assert_eq!(scene.get(&format!("/v1/customers/{customer}/orders/{id}")).await.ok()["customer_id"], customer);
        scene.get(&format!("/v1/customers/NOBODY/orders/{id}")).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn an_index_entry_without_its_order_shows_nothing() {
    let mut scene = Scene::start("entry").await;
    let customer = scene.writing.customer_of(ShardId(2));
    // The order's shard was set back, and has not read its log again.
    scene.writing.write_derived(&[order(&customer, Some("X1"), AT)], Lane::Index).await;
    assert_eq!(scene.get("/v1/orders/X1").await.problem(404, "not_found"), "there is no order X1");
    let of_customer = scene.get(&format!("/v1/customers/{customer}/orders/X1")).await;
    assert_eq!(of_customer.problem(404, "not_found"), format!("customer {customer} has no order X1"));
    scene.writing.write(&[order(&customer, Some("X1"), AT)]).await;
    assert_eq!(scene.get("/v1/orders/X1").await.ok()["customer_id"], *customer);
}

#[tokio::test]
async fn an_entry_of_another_time_still_leads_to_the_order() {
    let mut scene = Scene::start("resent").await;
    // The first order was lost with its shard; the client gave the second another time.
    scene.writing.write_derived(&[order("C1", Some("X1"), "2025-03-01T00:00:00Z")], Lane::Index).await;
    scene.writing.write(&[order("C1", Some("X1"), AT)]).await;
    for path in ["/v1/orders/X1", "/v1/customers/C1/orders/X1"] {
        assert_eq!(scene.get(path).await.ok()["timestamp"], AT, "{path}");
    }
}

#[tokio::test]
async fn of_an_id_at_two_times_every_way_leads_to_the_first() {
    let mut scene = Scene::start("twotimes").await;
    scene.writing.write(&[order("C1", Some("X1"), AT)]).await;
    scene.writing.write(&[order("C1", Some("X1"), "2025-03-01T00:00:00Z"), order("C1", Some("X2"), AT)]).await;
    let list = scene.get("/v1/customers/C1/orders").await.ok();
    let ids: Vec<&Value> = list["data"].as_array().unwrap().iter().map(|order| &order["order_id"]).collect();
    assert_eq!(ids, ["X2", "X1"]);
    for path in ["/v1/orders/X1", "/v1/customers/C1/orders/X1"] {
        assert_eq!(scene.get(path).await.ok()["timestamp"], AT, "{path}");
    }
}

#[tokio::test]
async fn an_ambiguous_id_names_the_customers() {
    let mut scene = Scene::start("ambiguous").await;
    let orders: Vec<Value> = ["C3", "C1", "C2"].iter().map(|customer| order(customer, Some("X1"), AT)).collect();
    scene.writing.write(&orders).await;
    let answer = scene.get("/v1/orders/X1").await;
    assert!(answer.problem(409, "ambiguous").starts_with("3 customers have an order X1"));
    assert_eq!(answer.body["customers"], json!(["C1", "C2", "C3"]));
    for customer in ["C1", "C2", "C3"] {
        let path = format!("/v1/customers/{customer}/orders/X1");
        assert_eq!(scene.get(&path).await.ok()["customer_id"], customer);
    }
}

#[tokio::test]
async fn a_customer_s_order_is_found_before_its_index_entry_is_there() {
    let mut scene = Scene::start("unindexed").await;
    scene.writing.log(&[order("C1", Some("X1"), AT)]).await;
    scene.writing.commit_kind(StreamKind::Logged, true).await;
    assert_eq!(scene.get("/v1/customers/C1/orders/X1").await.ok()["order_id"], "X1");
}
