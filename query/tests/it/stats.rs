//! The statistics say what is stored and how far behind it is.

use forebay_model::{ShardId, StreamKind, Timestamp};
use forebay_testkit::eventually;
use serde_json::{Value, json};

use crate::scene::Scene;

fn order(n: usize) -> Value {
    json!({
        "order_id": format!("X{n}"), "customer_id": format!("C{}", n % 7), "timestamp": "2025-06-30T12:30:00Z",
        "items": [{"sku": "x", "quantity": 1, "price": 5, "seller_id": "S1"}]
    })
}

#[tokio::test]
async fn stored_duplicates_and_lag_are_counted() {
    let mut scene = Scene::start("stats").await;
    let orders: Vec<Value> = (0..30).map(order).collect();
    scene.writing.write(&orders).await;
    scene.writing.write(&orders[..10]).await;
    let stats = scene.get("/v1/stats").await.ok();
    assert_eq!((&stats["orders"], &stats["duplicates"], &stats["dead_letters"]), (&json!(30), &json!(10), &json!(0)));
    assert_eq!(stats["epoch"], 1);
    assert_eq!(stats["totals"], json!([{"currency": "EUR", "count": 30, "gross": 150, "returned": 0, "net": 150}]));
    let of_shards = stats["shards"].as_array().unwrap().iter().map(|shard| shard["totals"][0]["net"].as_i64().unwrap());
    assert_eq!(of_shards.sum::<i64>(), 150, "{stats}");
    assert_eq!(stats["cache"], json!({"hits": 0, "misses": 0, "rate": null, "l1": 0, "redis": 0, "bypassed": 0}));
    let shards = stats["shards"].as_array().unwrap();
    let sum = |field: &str| shards.iter().map(|shard| shard[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!((shards.len(), sum("orders"), sum("lag_frames")), (3, 30, 0));
    assert!(
        shards.iter().all(|shard| shard["bytes"].as_u64().unwrap() > 100_000 && shard["partitions"] == 1),
        "{stats}"
    );
    assert_eq!(shards[0]["lanes"].as_object().unwrap().len(), 5);
    // Frames that nobody commits are lag.
    let shard = scene.writing.shard_of("C0");
    scene.writing.log(&[order(70)]).await;
    scene.writing.log(&[order(77)]).await;
    let stats = scene.get("/v1/stats?wait_ms=200").await.ok();
    assert_eq!(stats["drained"], false, "{stats}");
    let lagging = &stats["shards"][usize::from(shard.0)];
    assert_eq!((&lagging["lag_frames"], &lagging["streams"]["logged"]["lag_frames"]), (&json!(2), &json!(2)));
    assert!(lagging["lag_seconds"].as_f64().unwrap() > 0.0, "{lagging}");
    let waits = tokio::spawn(scene.query.request("/v1/stats?wait_ms=30000").send());
    scene.writing.commit_stream(StreamKind::Logged.on(shard), true).await;
    scene.writing.commit().await;
    let waited: Value = waits.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(waited["drained"], true, "{waited}");
    let stats = scene.get("/v1/stats").await.ok();
    assert_eq!(stats["shards"][usize::from(shard.0)]["lag_seconds"], 0.0);
}

#[tokio::test]
async fn what_is_owed_is_told_by_target() {
    let mut scene = Scene::start("owing").await;
    let (source, target) = (scene.writing.shard_of("C0"), ShardId(1));
    scene.writing.write(&[order(7)]).await;
    let since = Timestamp::parse("2025-06-30T12:30:00Z").unwrap();
    scene.writing.owe(source, target, Some(since));
    for n in [14, 21] {
        scene.writing.write(&[order(n)]).await;
    }
    eventually("what is owed is told", async || {
        scene.writing.beat().await;
        let stats = scene.get("/v1/stats").await.ok();
        let derived = &stats["shards"][usize::from(source.0)]["derived"];
        let targets = derived.as_array().unwrap();
        assert_eq!((targets.len(), &targets[1]["target"]), (3, &json!(1)), "{derived}");
        let through = |place: usize| targets[place]["through"]["seq"].as_u64().unwrap();
        assert_eq!([0, 1, 2].map(through), [3, 1, 3], "{derived}");
        let owed = |field: &str| [0, 1, 2].map(|place: usize| targets[place][field].clone());
        assert_eq!(owed("frames_owed"), [json!(0), json!(2), json!(0)], "{derived}");
        (owed("owed_since") == [Value::Null, json!(since.in_full().to_string()), Value::Null], derived.to_string())
    })
    .await;
}

#[tokio::test]
async fn reads_are_measured_by_shard() {
    let mut scene = Scene::start("meters").await;
    let customer = scene.writing.customer_of(ShardId(2));
    let mut mine = order(1);
    mine["customer_id"] = customer.as_str().into();
    scene.writing.write(&[mine]).await;
    scene.get(&format!("/v1/customers/{customer}/orders")).await.ok();
    let metrics = scene.get("/metrics").await.body;
    let metrics = metrics.as_str().unwrap();
    for line in [
        r#"forebay_query_shard_rows_total{shard="2",read="customer"} "#,
        r#"forebay_query_shard_seconds_count{shard="2",read="customer"} "#,
    ] {
        let value = metrics.lines().find_map(|found| found.strip_prefix(line));
        assert!(value.is_some_and(|value| value.parse::<f64>().unwrap() >= 1.0), "{line}: {value:?}");
    }
}
