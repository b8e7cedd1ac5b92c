//! An export that cannot go on is visibly torn; one that can, goes on.

use bytes::Bytes;
use forebay_model::ShardId;
use forebay_parquet::Table;
use forebay_testkit::eventually;
use forebay_testkit::service::Answer;
use reqwest::Response;
use serde_json::{Value, json};

use crate::exporting::{CSV, NDJSON, PARQUET, accepting, export, read};
use crate::scene::Scene;

/// The shard that holds a long list, and that is taken away.
const LONG: ShardId = ShardId(1);
/// How many orders it holds: some 40 MB, far more than what sockets and channels take in.
const MANY: usize = 20_000;

/// Fills a shard with a long list, beside one order in each of the others.
async fn long_list(name: &str, flags: &[&str]) -> Scene {
    let mut scene = Scene::start_with(name, flags, |map| map).await;
    let order = |shard: u16| {
        json!({
            "order_id": format!("X{shard}"), "customer_id": scene.writing.customer_of(ShardId(shard)),
            "timestamp": "2025-06-30T12:30:00Z", "items": [{"sku": "x", "quantity": 1, "price": 5}]
        })
    };
    let orders: Vec<Value> = (0..3).map(order).collect();
    scene.writing.write(&orders).await;
    let fill = format!(
        "insert into orders select bucket, tenant, customer_id, ordered_at + n * interval '1 ms', 'Y' || n, kind, currency, total, place_seq, place_log, status, items, \
            jsonb_build_object('note', (select string_agg(md5(n || '.' || k), '') from generate_series(1, 60) k)) \
            from orders, generate_series(1, {MANY}) n"
    );
    scene.sql(LONG, &fill).await;
    scene
}

/// Reads on to the end. Gives the bytes, and whether the end was one.
async fn rest(mut answer: Response) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return (body, true),
            Err(_) => return (body, false),
        }
    }
}

/// Waits until exports have ended so, and none is running.
async fn ended(scene: &Scene, format: &str, outcome: &str, count: usize) {
    let total = format!("forebay_query_exports_total{{format=\"{format}\",outcome=\"{outcome}\"}} {count}");
    eventually("the exports have ended", async || {
        let metrics = scene.get("/metrics").await.ok();
        let lines: Vec<&str> =
            metrics.as_str().unwrap().lines().filter(|l| l.starts_with("forebay_query_exp")).collect();
        (lines.contains(&&*total) && lines.contains(&"forebay_query_exports 0"), format!("{lines:?}"))
    })
    .await;
}

/// How many reads of the long list's shard have failed.
async fn failures(scene: &Scene) -> u64 {
    let metrics = scene.get("/metrics").await.ok();
    let lines = metrics.as_str().unwrap().lines();
    let errors = lines.filter(|line| line.starts_with("forebay_query_shard_errors_total{shard=\"1\""));
    errors.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn a_shard_that_goes_away_on_the_way_tears_the_transfer() {
    let scene = long_list("torn", &["--shard-timeout-ms", "500"]).await;
    for (partial, form) in [("", NDJSON), ("?partial=true", CSV), ("", PARQUET)] {
        let answer = export(&scene, &format!("/v1/orders{partial}"), form).await;
        assert!(!answer.headers().contains_key("forebay-shards-missing"));
        scene.take_down(LONG).await;
        let (body, is_end) = rest(answer).await;
        assert!(!is_end, "{form}: {} bytes that look complete", body.len());
        assert!(form != PARQUET || Table::open(Bytes::from(body)).is_err());
        scene.bring_back(LONG).await;
        eventually("the shard is read again", async || {
            let answer = scene.get("/v1/orders").await;
            (answer.status == 200, answer.body.to_string())
        })
        .await;
    }
    ended(&scene, "ndjson", "cut", 1).await;
}

#[tokio::test]
async fn a_shard_that_comes_back_on_the_way_is_gone_on_with() {
    let scene = long_list("back", &[]).await;
    for form in [NDJSON, CSV, PARQUET] {
        let answer = export(&scene, "/v1/orders", form).await;
        let before = failures(&scene).await;
        scene.take_down(LONG).await;
        let reading = tokio::spawn(rest(answer));
        eventually("the shard is missed", async || {
            let failures = failures(&scene).await;
            (failures > before, failures.to_string())
        })
        .await;
        scene.bring_back(LONG).await;
        let (body, is_end) = reading.await.unwrap();
        assert!(is_end, "{form}");
        let orders = read(form, &body.into());
        let expected: Vec<String> =
            (1..=MANY).rev().map(|n| format!("Y{n}")).chain(["X2", "X1", "X0"].map(String::from)).collect();
        assert!(orders.iter().map(|order| order["order_id"].as_str().unwrap()).eq(expected.iter().map(String::as_str)));
    }
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_work() {
    let scene = long_list("gone", &[]).await;
    for form in [NDJSON, PARQUET] {
        let mut answer = export(&scene, "/v1/orders", form).await;
        answer.chunk().await.unwrap().unwrap();
        drop(answer);
    }
    ended(&scene, "ndjson", "abandoned", 1).await;
    ended(&scene, "parquet", "abandoned", 1).await;
}

#[tokio::test]
async fn more_exports_than_there_is_room_for_are_refused() {
    let scene = long_list("room", &[]).await;
    let mut running = Vec::new();
    // Each takes 10 MiB: two pieces of three shards, and some chunks.
    for _ in 0..25 {
        running.push(export(&scene, "/v1/orders", NDJSON).await);
    }
    let answer = Answer::of(accepting(&scene, "/v1/orders", CSV)).await;
    assert_eq!(answer.problem(503, "overloaded"), "the exports that are running take up their 256 MiB of memory");
    assert_eq!(scene.get("/v1/orders?limit=1").await.ok()["has_more"], true, "pages go on");
    running.truncate(24);
    eventually("there is room again", async || {
        let answer = accepting(&scene, "/v1/orders", CSV).send().await.unwrap();
        (answer.status() == 200, answer.status().to_string())
    })
    .await;
}

#[tokio::test]
async fn a_service_that_stops_lets_an_export_end_as_long_as_there_is_time() {
    let scene = long_list("stop", &[]).await;
    let (whole, cut) = (export(&scene, "/v1/orders", NDJSON).await, export(&scene, "/v1/orders", NDJSON).await);
    scene.query.service.shutdown().start();
    let (body, is_end) = rest(whole).await;
    assert_eq!((read(NDJSON, &body.into()).len(), is_end), (MANY + 3, true));
    scene.query.service.shutdown().force();
    let (body, is_end) = rest(cut).await;
    assert!(!is_end, "{} bytes that look complete", body.len());
}
