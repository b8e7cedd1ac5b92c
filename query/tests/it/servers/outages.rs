//! A shard that is down is named; the others go on.

use std::time::{Duration, Instant};

use forebay_model::{Bucket, ShardId, StreamKind, Tenant};
use forebay_testkit::{Mode, Proxy, eventually};
use serde_json::{Value, json};

use crate::scene::{Scene, order_ids, start_query};

const DOWN: ShardId = ShardId(1);

/// An order of a customer of each shard. Nobody gives notice of them, so that nothing is answered from the cache.
async fn one_order_each(scene: &mut Scene) -> Vec<Value> {
    let orders: Vec<Value> = (0..3)
        .map(|shard| {
            json!({
                "order_id": format!("X{shard}"), "customer_id": scene.writing.customer_of(ShardId(shard)),
                "timestamp": "2025-06-30T12:30:00Z", "items": [{"sku": "x", "quantity": 1, "price": 5}]
            })
        })
        .collect();
    scene.writing.log(&orders).await;
    scene.writing.commit_with(false).await;
    orders
}

#[tokio::test]
async fn a_shard_that_is_down_is_named_or_left_out() {
    let mut scene = Scene::start("down").await;
    let orders = one_order_each(&mut scene).await;
    let history =
        |shard: u16| format!("/v1/customers/{}/orders", orders[usize::from(shard)]["customer_id"].as_str().unwrap());
    scene.get("/v1/orders").await.ok();
    scene.take_down(DOWN).await;
    let answer = scene.get("/v1/orders").await;
    let advised = "shard 1 cannot be read now; with partial=true the rest is answered";
    assert_eq!(answer.problem(503, "shard_unavailable"), advised);
    let begin = std::time::Instant::now();
    scene.get("/v1/orders").await.problem(503, "shard_unavailable");
    assert!(begin.elapsed() < Duration::from_secs(1), "a closed port is known at once: {:?}", begin.elapsed());
    for path in ["/v1/orders/totals", "/v1/changes", "/v1/changes?partial=false"] {
        assert_eq!(scene.get(path).await.problem(503, "shard_unavailable"), advised, "{path}");
    }
    assert_eq!((&answer.body["shards"], answer.header("retry-after")), (&json!([1]), "1"));
    let partial = scene.get("/v1/orders?partial=true").await.ok();
    assert_eq!((order_ids(&partial), &partial["shards_missing"]), (vec!["X2", "X0"], &json!([1])));
    scene.get(&history(1)).await.problem(503, "shard_unavailable");
    let partial = scene.get(&format!("{}?partial=true", history(1))).await.ok();
    assert_eq!(partial, json!({"data": [], "has_more": false, "next_cursor": null, "shards_missing": [1]}));
    assert_eq!(order_ids(&scene.get(&history(0)).await.ok()), ["X0"]);
    let path = format!("{}/none", history(1));
    for path in [&path, &format!("{path}?partial=true"), "/v1/changes?since=now&partial=true"] {
        let answer = scene.get(path).await;
        assert_eq!(answer.problem(503, "shard_unavailable"), "shard 1 cannot be read now", "{path}");
    }
    let stats = scene.get("/v1/stats").await.ok();
    assert_eq!((&stats["shards"][1]["state"], &stats["shards"][0]["state"]), (&json!("down"), &json!("up")));
    let ready = scene.get("/readyz").await;
    assert_eq!(ready.status, 200, "one shard of several is not needed: {}", ready.body);
    eventually("it is degraded", async || {
        let ready = scene.get("/readyz").await;
        (ready.status == 200 && ready.body["degraded"] == true, ready.body)
    })
    .await;
    scene.bring_back(DOWN).await;
    eventually("the shard is read again", async || {
        let answer = scene.get("/v1/orders").await;
        (answer.status == 200, answer.body.to_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_is_known_to_be_silent_costs_no_read_its_time() {
    let mut scene = Scene::start("silent").await;
    one_order_each(&mut scene).await;
    let (server, name) = scene.shards.urls[usize::from(DOWN.0)].rsplit_once('/').unwrap();
    let (user, port) = server.rsplit_once(':').unwrap();
    let proxy = Proxy::to(port.parse().unwrap()).await.unwrap();
    let mut urls = scene.shards.urls.clone();
    urls[usize::from(DOWN.0)] = format!("{user}:{}/{name}", proxy.port());
    let query = start_query(&scene.log, &urls, &[]).await;
    // Several connections, which will all be silent.
    let reads = futures::future::join_all((0..8).map(|_| query.get("/v1/orders"))).await;
    assert!(reads.iter().all(|read| read.status == 200));

    proxy.set(Mode::BlackHole);
    eventually("it is known that the shard is silent", async || {
        let ready = query.get("/readyz").await;
        (ready.body["dependencies"]["shard 1"]["state"] == "down", ready.body)
    })
    .await;
    for _ in 0..12 {
        let begin = Instant::now();
        let partial = query.get("/v1/orders?partial=true").await.ok();
        assert_eq!((order_ids(&partial), &partial["shards_missing"]), (vec!["X2", "X0"], &json!([1])));
        query.get("/v1/orders").await.problem(503, "shard_unavailable");
        assert!(begin.elapsed() < Duration::from_millis(900), "{:?}", begin.elapsed());
    }
    proxy.set(Mode::Pass);
    eventually("the shard is read again", async || {
        let answer = query.get("/v1/orders").await;
        (answer.status == 200, answer.body.to_string())
    })
    .await;
}

#[tokio::test]
async fn what_one_shard_knows_of_an_id_is_not_taken_for_everything() {
    let mut scene = Scene::start("half").await;
    // Looked at in this order: the one that is found, and the one on the shard that goes.
    let last = (0..1000).map(|n| format!("Z{n}")).find(|customer| scene.writing.shard_of(customer) == DOWN).unwrap();
    let customers = [scene.writing.customer_of(ShardId(0)), last];
    // An id whose index entries are on a shard that stays.
    let index_of = |id: &str| scene.writing.map.shard(StreamKind::Derived, Bucket::of_key(Tenant::none(), id));
    let id = (0..1000).map(|n| format!("TWICE{n}")).find(|id| index_of(id) != DOWN).unwrap();
    let order = |customer: &String| {
        json!({"order_id": id, "customer_id": customer, "timestamp": "2025-06-30T12:30:00Z",
            "items": [{"sku": "x", "quantity": 1, "price": 5}]})
    };
    let orders: Vec<Value> = customers.iter().map(order).collect();
    scene.writing.write(&orders).await;
    let path = format!("/v1/orders/{id}");
    let answer = scene.get(&path).await;
    assert!(answer.problem(409, "ambiguous").starts_with("2 customers"));
    scene.take_down(DOWN).await;
    let answer = scene.get(&path).await;
    answer.problem(503, "shard_unavailable");
    assert_eq!(answer.body["shards"], json!([DOWN.0]));
}

#[tokio::test]
async fn a_restart_of_the_server_s_sessions_is_not_seen() {
    let mut scene = Scene::start("sessions").await;
    one_order_each(&mut scene).await;
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
        where datname = current_database() and application_name = 'forebay-query'";
    for _ in 0..5 {
        scene.get("/v1/orders").await.ok();
        for shard in (0..3).map(ShardId) {
            scene.sql(shard, end).await;
        }
        assert_eq!(order_ids(&scene.get("/v1/orders").await.ok()), ["X2", "X1", "X0"]);
    }
}

#[tokio::test]
async fn a_slow_shard_costs_its_time_out_and_no_connection() {
    let flags = ["--shard-timeout-ms", "300", "--shard-connections", "2"];
    let mut scene = Scene::start_with("slow", &flags, |map| map).await;
    one_order_each(&mut scene).await;
    // A reader of the positions waits for this lock.
    let lock = "begin; lock table stream_position in access exclusive mode; select pg_sleep(4); commit";
    let url = scene.shards.urls[usize::from(DOWN.0)].clone();
    let locked = tokio::spawn(async move { forebay_stack::shared().await.sql(&url, lock).await });
    let waits =
        "select count(*) from pg_locks where relation = 'stream_position'::regclass and mode = 'AccessExclusiveLock'";
    eventually("the table is locked", async || {
        let held = scene.sql(DOWN, waits).await;
        (held == "1", held)
    })
    .await;
    for _ in 0..4 {
        let begin = Instant::now();
        scene.get("/v1/orders").await.problem(503, "shard_unavailable");
        let partial = scene.get("/v1/orders?partial=true").await.ok();
        assert_eq!(order_ids(&partial), ["X2", "X0"]);
        let changes = scene.get("/v1/changes").await;
        let detail = changes.problem(503, "shard_unavailable");
        assert!(detail.starts_with("shard 1 did not answer within 300 ms"), "{detail}");
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    }
    locked.await.unwrap().unwrap();
    assert_eq!(order_ids(&scene.get("/v1/orders").await.ok()), ["X2", "X1", "X0"]);
}
