//! A client that has an answer need not be given it again.

use forebay_testkit::service::Answer;
use serde_json::json;

use crate::scene::Scene;

async fn ask(scene: &Scene, path: &str, tag: &str) -> Answer {
    Answer::of(scene.query.request(path).header("if-none-match", tag)).await
}

#[tokio::test]
async fn an_answer_is_given_again_exactly_when_it_has_changed() {
    let order = |n: i32, customer: &str| {
        json!({
            "order_id": format!("X{n}"), "customer_id": customer, "timestamp": "2025-06-30T12:30:00Z",
            "items": [{"sku": "x", "quantity": 1, "price": 5, "seller_id": "S1"}]
        })
    };
    for flags in [&[][..], &["--cache-bytes", "0"]] {
        let mut scene = Scene::start_with("etags", flags, |map| map).await;
        scene.writing.write(&[order(1, "C1")]).await;
        for path in [
            "/v1/orders",
            "/v1/orders/X1",
            "/v1/customers/C1/orders",
            "/v1/customers/C1/orders/X1",
            "/v1/sellers/S1/orders",
        ] {
            let first = scene.get(path).await;
            let tag = first.header("etag").to_owned();
            assert!(first.status == 200 && tag.starts_with("W/\"") && tag.ends_with('"'), "{path}: {first:?}");
            for known in [tag.clone(), format!("W/\"other\", {tag}"), "*".to_owned()] {
                let again = ask(&scene, path, &known).await;
                assert_eq!((again.status.as_u16(), again.header("etag")), (304, tag.as_str()), "{path} with {known}");
                assert!(again.body == "" && !again.header("forebay-position").is_empty(), "{path}: {again:?}");
            }
            assert_eq!(ask(&scene, path, "W/\"other\"").await.status, 200, "{path}");
        }
        let path = "/v1/customers/C1/orders";
        let tag = scene.get(path).await.header("etag").to_owned();
        let (_, receipt) = scene.writing.write(&[order(2, "C1")]).await;
        let changed = ask(&scene, &format!("{path}?after={receipt}"), &tag).await;
        assert_eq!((changed.status.as_u16(), changed.body["data"].as_array().map(Vec::len)), (200, Some(2)));
        assert_ne!(changed.header("etag"), tag);
        assert_eq!(scene.get("/v1/orders/unknown").await.header("etag"), "", "nothing is no answer to keep");
    }
}

#[tokio::test]
async fn an_answer_that_lacks_a_shard_is_never_taken_for_a_whole_one() {
    let mut scene = Scene::start("etagdown").await;
    let orders: Vec<_> = (0..20)
        .map(|n| {
            json!({
                "order_id": format!("X{n}"), "customer_id": format!("C{n}"), "timestamp": "2025-06-30T12:30:00Z",
                "items": [{"sku": "x", "quantity": 1, "price": 5}]
            })
        })
        .collect();
    scene.writing.write(&orders).await;
    let tag = scene.get("/v1/orders?limit=7").await.header("etag").to_owned();
    assert!(!tag.is_empty());
    scene.take_down(forebay_model::ShardId(1)).await;
    // The page of before is in the cache; this one is not.
    let partial = ask(&scene, "/v1/orders?limit=8&partial=true", &tag).await;
    assert_eq!(
        (partial.status.as_u16(), partial.header("etag"), &partial.body["shards_missing"]),
        (200, "", &json!([1]))
    );
    scene.bring_back(forebay_model::ShardId(1)).await;
}
