//! Answers are kept, and given again only while they hold.

use std::time::{Duration, Instant};

use forebay_model::{Lane, ShardId, StreamKind};
use forebay_testkit::eventually;
use forebay_testkit::service::{Answer, Served};
use futures::future::join_all;
use redis::AsyncCommands;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::scene::{Scene, order_ids, start_query, start_query_without};

pub(crate) fn order(id: &str, customer: &str, at: &str) -> Value {
    json!({
        "order_id": id, "customer_id": customer, "timestamp": at,
        "items": [{"sku": "x", "quantity": 1, "price": 5, "seller_id": "S1"}]
    })
}

const NOON: &str = "2025-06-30T12:00:00Z";

/// A system in which every stream was heard of, and that has one committed order.
async fn with_an_order(name: &str, flags: &[&str]) -> Scene {
    let mut scene = Scene::start_with(name, flags, |map| map).await;
    scene.writing.write(&[order("X1", "C1", NOON)]).await;
    heard(&scene, &scene.query).await;
    scene
}

/// Waits until a service has heard of every stream.
pub(crate) async fn heard(scene: &Scene, query: &Served) {
    eventually("every stream is heard", async || {
        scene.writing.beat().await;
        let answer = query.get("/v1/orders?limit=7&order=asc").await;
        (answer.header("forebay-cache") != "bypass", answer.header("forebay-cache").to_owned())
    })
    .await;
}

/// Where an answer comes from, and the ids it shows.
pub(crate) fn seen(answer: Answer) -> (String, Vec<String>) {
    let from = answer.header("forebay-cache").to_owned();
    let body = answer.ok();
    let ids = if body["data"].is_array() {
        order_ids(&body).into_iter().map(str::to_owned).collect()
    } else {
        vec![body["order_id"].as_str().unwrap().to_owned()]
    };
    (from, ids)
}

pub(crate) fn is(from: &str, ids: &[&str]) -> (String, Vec<String>) {
    (from.to_owned(), ids.iter().map(|&id| id.to_owned()).collect())
}

#[tokio::test]
async fn what_was_read_is_kept_until_it_is_touched() {
    let mut scene = with_an_order("kept", &[]).await;
    for path in ["/v1/customers/C1/orders", "/v1/sellers/S1/orders", "/v1/orders/X1", "/v1/customers/C1/orders/X1"] {
        assert_eq!(seen(scene.get(path).await), is("miss", &["X1"]), "{path}");
        assert_eq!(seen(scene.get(path).await), is("l1", &["X1"]), "{path}");
    }
    // Another page, another answer.
    assert_eq!(seen(scene.get("/v1/customers/C1/orders?limit=1").await), is("miss", &["X1"]));
    // Somebody else's order on the same shard.
    let other =
        (2..1000).map(|n| format!("C{n}")).find(|c| scene.writing.shard_of(c) == scene.writing.shard_of("C1")).unwrap();
    scene.writing.write(&[order("X2", &other, NOON)]).await;
    let position = scene.writing.position(StreamKind::Logged.on(scene.writing.shard_of("C1")));
    eventually("the cached answer is known to hold at the new position", async || {
        let answer = scene.get("/v1/customers/C1/orders").await;
        let receipt: forebay_model::Receipt = answer.header("forebay-position").parse().unwrap();
        let at = receipt.position(StreamKind::Logged.on(scene.writing.shard_of("C1")));
        assert_eq!(seen(answer), is("l1", &["X1"]));
        (at == Some(position), format!("{at:?}"))
    })
    .await;
    let (_, receipt) = scene.writing.write(&[order("X3", "C1", NOON)]).await;
    let path = format!("/v1/customers/C1/orders?after={receipt}");
    assert_eq!(seen(scene.get(&path).await), is("miss", &["X3", "X1"]));
    assert_eq!(seen(scene.get("/v1/customers/C1/orders").await), is("l1", &["X3", "X1"]));
    // An order that was found stays what it is.
    assert_eq!(seen(scene.get("/v1/customers/C1/orders/X1").await), is("l1", &["X1"]));
}

#[tokio::test]
async fn hours_that_are_no_longer_written_to_are_kept() {
    let mut scene = with_an_order("hours", &[]).await;
    let day = "/v1/orders?from=2025-06-30T00:00:00Z&to=2025-07-01T00:00:00Z";
    assert_eq!(seen(scene.get(day).await), is("miss", &["X1"]));
    let (_, receipt) = scene.writing.write(&[order("X2", "C2", "2025-07-01T00:00:00Z")]).await;
    assert_eq!(seen(scene.get(&format!("{day}&after={receipt}")).await), is("l1", &["X1"]));
    // A page that does not reach the end of its range is only as wide as its rows.
    let all = "/v1/orders?limit=1";
    assert_eq!(seen(scene.get(all).await), is("miss", &["X2"]));
    let (_, receipt) = scene.writing.write(&[order("X3", "C3", "2025-06-30T23:59:59Z")]).await;
    assert_eq!(seen(scene.get(&format!("{all}&after={receipt}")).await), is("l1", &["X2"]));
    assert_eq!(seen(scene.get(&format!("{day}&after={receipt}")).await), is("miss", &["X3", "X1"]));
}

#[tokio::test]
async fn what_is_not_there_is_kept_until_it_is() {
    let mut scene = with_an_order("nothing", &[]).await;
    let assigned = "01975d0e-5f00-7abc-8000-000000000000";
    let paths = ["/v1/orders/X9", "/v1/customers/C1/orders/X9", &format!("/v1/orders/{assigned}")];
    for path in paths {
        for from in ["miss", "l1"] {
            let answer = scene.get(path).await;
            answer.problem(404, "not_found");
            assert_eq!(answer.header("forebay-cache"), from, "{path}");
        }
    }
    assert_eq!(seen(scene.get("/v1/customers/C9/orders").await), is("miss", &[]));
    assert_eq!(seen(scene.get("/v1/customers/C9/orders").await), is("l1", &[]));
    let orders = [order("X9", "C1", NOON), order("X10", "C9", NOON), order(assigned, "C2", NOON)];
    let (_, receipt) = scene.writing.write(&orders).await;
    for path in paths.iter().copied().chain(["/v1/customers/C9/orders"]) {
        let (from, ids) = seen(scene.get(&format!("{path}?after={receipt}")).await);
        assert_eq!((from.as_str(), ids.len()), ("miss", 1), "{path}");
    }
}

#[tokio::test]
async fn an_index_entry_whose_order_is_still_to_come_is_no_answer_to_keep() {
    let mut scene = with_an_order("to_come", &[]).await;
    scene.writing.write_derived(&[order("X1", "C2", NOON)], Lane::Index).await;
    heard(&scene, &scene.query).await;
    assert_eq!(seen(scene.get("/v1/orders/X1").await).1, ["X1"]);
    let (_, receipt) = scene.writing.write(&[order("X1", "C2", NOON)]).await;
    scene.get(&format!("/v1/orders/X1?after={receipt}")).await.problem(409, "ambiguous");
}

#[tokio::test]
async fn a_missed_notice_makes_what_is_older_doubtful() {
    let mut scene = with_an_order("missed", &[]).await;
    let (path, shard) = ("/v1/customers/C1/orders", scene.writing.shard_of("C1"));
    assert_eq!(seen(scene.get(path).await), is("miss", &["X1"]));
    scene.writing.log(&[order("X2", "C1", NOON)]).await;
    scene.writing.commit_stream(StreamKind::Logged.on(shard), false).await;
    // Nobody has said so: the answer is that of its position, which it says.
    let old = scene.get(path).await;
    let position: forebay_model::Receipt = old.header("forebay-position").parse().unwrap();
    assert!(
        position.position(StreamKind::Logged.on(shard)).unwrap().seq
            < scene.writing.position(StreamKind::Logged.on(shard)).seq
    );
    eventually("the next sign of life tells", async || {
        scene.writing.beat().await;
        let seen = seen(scene.get(path).await);
        (seen.1 == ["X2", "X1"], format!("{seen:?}"))
    })
    .await;
}

#[tokio::test]
async fn a_silent_writer_is_not_trusted() {
    let scene = with_an_order("silent", &[]).await;
    let path = "/v1/customers/C1/orders";
    assert_eq!(seen(scene.get(path).await), is("miss", &["X1"]));
    assert_eq!(seen(scene.get(path).await), is("l1", &["X1"]));
    eventually("the cache is bypassed", async || {
        let (from, ids) = seen(scene.get(path).await);
        assert_eq!(ids, ["X1"]);
        (from == "bypass", from)
    })
    .await;
    heard(&scene, &scene.query).await;
    assert_eq!(seen(scene.get(path).await), is("l1", &["X1"]));
}

#[tokio::test]
async fn one_load_serves_all_who_ask_at_the_same_time() {
    let scene = with_an_order("crowd", &[]).await;
    let before = scene.get("/v1/stats").await.ok()["cache"].clone();
    let answers = join_all((0..40).map(|_| scene.get("/v1/customers/C1/orders"))).await;
    assert!(answers.into_iter().all(|answer| seen(answer).1 == ["X1"]));
    let after = scene.get("/v1/stats").await.ok()["cache"].clone();
    let more = |name: &str| after[name].as_u64().unwrap() - before[name].as_u64().unwrap();
    assert_eq!((more("misses"), more("hits"), more("l1")), (1, 39, 39), "{after}");
    assert!(after["rate"].as_f64().unwrap() > 0.5);
}

async fn redis_of(scene: &Scene) -> redis::aio::MultiplexedConnection {
    redis::Client::open(scene.shards.stack.redis_url()).unwrap().get_multiplexed_async_connection().await.unwrap()
}

pub(crate) fn name_in_redis(scene: &Scene, key: &str) -> String {
    format!("{}:answer:{key}", scene.log.settings().name)
}

/// The names of everything that a scene has in Redis.
pub(crate) async fn names_in_redis(scene: &Scene) -> Vec<String> {
    redis_of(scene).await.keys(name_in_redis(scene, "*")).await.unwrap()
}

#[tokio::test]
async fn what_redis_has_kept_of_a_system_that_is_no_more_is_not_shown() {
    let url = forebay_stack::shared().await.redis_url();
    let gone = with_an_order("gone", &["--redis", &url]).await;
    let mut scene = Scene::start_with("anew", &["--redis", &url], |map| map).await;
    scene.writing.write(&[order("X2", "C1", NOON)]).await;
    heard(&scene, &scene.query).await;
    // Starting another system may take longer than the cache waits for a sign of life.
    heard(&gone, &gone.query).await;
    let paths = ["/v1/customers/C1/orders/X1", "/v1/orders/X1", "/v1/customers/C1/orders"];
    for path in paths {
        assert_eq!(seen(gone.get(path).await), is("miss", &["X1"]), "{path}");
    }
    eventually("all of it is in Redis", async || {
        let names = names_in_redis(&gone).await;
        (names.len() >= paths.len(), format!("{names:?}"))
    })
    .await;
    let (mut redis, prefix) = (redis_of(&gone).await, name_in_redis(&gone, ""));
    for name in names_in_redis(&gone).await {
        let value: Vec<u8> = redis.get(&name).await.unwrap();
        let _: () = redis.set(name_in_redis(&scene, &name[prefix.len()..]), value).await.unwrap();
    }
    for path in &paths[..2] {
        scene.get(path).await.problem(404, "not_found");
    }
    assert_eq!(seen(scene.get(paths[2]).await), is("miss", &["X2"]));
}

#[tokio::test]
async fn processes_share_what_they_have_read_through_redis() {
    let url = forebay_stack::shared().await.redis_url();
    let mut scene = with_an_order("shared", &["--redis", &url]).await;
    let other = start_query(&scene.log, &scene.shards.urls, &["--redis", &url]).await;
    heard(&scene, &other).await;
    let path = "/v1/customers/C1/orders";
    assert_eq!(seen(scene.get(path).await), is("miss", &["X1"]));
    let name = name_in_redis(&scene, "\ncustomer\nC1*");
    let mut redis = redis_of(&scene).await;
    eventually("it is shared", async || {
        let names: Vec<String> = redis.keys(&name).await.unwrap();
        (names.len() == 1, format!("{names:?}"))
    })
    .await;
    assert_eq!(seen(other.get(path).await), is("redis", &["X1"]));
    assert_eq!(seen(other.get(path).await), is("l1", &["X1"]));
    // An entry of before comes back from somewhere: it is known to be old.
    let names: Vec<String> = redis.keys(&name).await.unwrap();
    let old: Vec<u8> = redis.get(&names[0]).await.unwrap();
    let (_, receipt) = scene.writing.write(&[order("X2", "C1", NOON)]).await;
    assert_eq!(seen(scene.get(&format!("{path}?after={receipt}")).await), is("miss", &["X2", "X1"]));
    let _: () = redis.set(&names[0], old).await.unwrap();
    assert_eq!(seen(other.get(&format!("{path}?after={receipt}")).await).1, ["X2", "X1"]);
    let _: () = redis.set(&names[0], "nonsense").await.unwrap();
    assert_eq!(seen(other.get(&format!("{path}?limit=50")).await), is("l1", &["X2", "X1"]));
}

#[tokio::test]
async fn redis_that_does_not_answer_holds_nobody_up() {
    // Takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for address in [silent.local_addr().unwrap(), nobody] {
        let mut scene = Scene::start("without").await;
        scene.writing.write(&[order("X1", "C1", NOON)]).await;
        let url = format!("redis://{address}");
        let query = start_query_without(&scene.log, &scene.shards.urls, &["--redis", &url], &["redis"]).await;
        heard(&scene, &query).await;
        let begin = Instant::now();
        assert_eq!(seen(query.get("/v1/customers/C1/orders").await), is("miss", &["X1"]));
        assert_eq!(seen(query.get("/v1/customers/C1/orders").await), is("l1", &["X1"]));
        assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed());
        eventually("it is known to be down", async || {
            let ready = query.get("/readyz").await;
            assert_eq!(ready.status, 200);
            let state = &ready.body["dependencies"]["redis"]["state"];
            (state == "down", state.to_string())
        })
        .await;
    }
}

#[tokio::test]
async fn partial_answers_are_not_kept() {
    let mut scene = with_an_order("partial", &[]).await;
    let (down, customer) = (ShardId(1), scene.writing.customer_of(ShardId(2)));
    scene.writing.write(&[order("X2", &customer, NOON)]).await;
    scene.take_down(down).await;
    let path = "/v1/orders?partial=true&limit=9";
    eventually("an answer without the shard", async || {
        let body = scene.get(path).await.ok();
        (body["shards_missing"] == json!([1]), body.to_string())
    })
    .await;
    scene.bring_back(down).await;
    eventually("a whole answer", async || {
        scene.writing.beat().await;
        let body = scene.get(path).await.ok();
        (body["shards_missing"] == json!([]), body.to_string())
    })
    .await;
}
