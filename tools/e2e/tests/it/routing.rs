use forebay_e2e::System;
use forebay_stack::Durability;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn integer_customers_by_modulo_on_two_shards_fall_exactly_in_half() {
    let system = System::start(2, Durability::Fast, &[("FOREBAY_ROUTING", "modulo")]).await.unwrap();
    for customer in 0..100 {
        let items = json!([{"sku": "A", "quantity": 1, "price": 100}]);
        let (status, answer) = system.post(&json!({"customer_id": customer, "items": items})).await.unwrap();
        assert_eq!((status, &answer["shard"]), (202, &json!(customer % 2)), "{answer}");
    }
    system.wait_for_orders(100).await.unwrap();
    for shard in 0..2 {
        assert_eq!(system.stack.sql(shard, "select count(*) from orders").await.unwrap().trim(), "50");
    }
    system.stop().await.unwrap();
}
