//! What shards say of units changes all the time, more often than a read over all shards takes: it is read together with the rows, so that no read begins anew for that.

use std::collections::{BTreeMap, BTreeSet};

use forebay_admin::moves::{Mover, MoverSettings};
use forebay_model::ShardId;
use forebay_testkit::service::{Answer, Served};
use serde_json::json;

use super::ledger::{Follower, Known, exported, ids, of};
use super::scene::{A, Scene};

const ORDERS: u64 = 240;

/// A new mark some hundred times a second, as where that many units change their states, until there is a table `over`.
const MARKS: &str = "do $$ declare began timestamptz := clock_timestamp(); begin \
    while to_regclass('over') is null and clock_timestamp() < began + interval '2 minutes' loop \
        update stream_position set units = 1 + (random() * 9e15)::int8; commit; perform pg_sleep(0.002); \
    end loop; end $$";

/// How many statements were run for reads, by what they read.
type Statements = BTreeMap<String, u64>;

/// Those that were run so far, but for those by which servers are looked at.
async fn statements(query: &Served) -> Statements {
    let metrics = query.get("/metrics").await.body;
    let mut counts = Statements::new();
    for line in metrics.as_str().unwrap().lines() {
        let Some(line) = line.strip_prefix("forebay_query_shard_seconds_count{") else { continue };
        let (labels, count) = line.split_once("} ").unwrap();
        let read = labels.split("read=\"").nth(1).unwrap().trim_end_matches('"');
        if ["range", "totals", "lookup", "times", "changes", "units"].contains(&read) {
            *counts.entry(read.to_owned()).or_default() += count.parse::<u64>().unwrap();
        }
    }
    counts
}

/// Each kind of read over all shards, once, and a walk through the list. Gives how many statements that took at most, of those that were counted before.
async fn read_all(query: &Served, orders: &[Known], most: &mut Statements) {
    let before = statements(query).await;
    let all: BTreeSet<String> = of(orders, |_| true);
    assert_eq!(ids(&query.get("/v1/orders?limit=1000").await.ok()), all);
    assert_eq!(ids(&query.get("/v1/orders?limit=1000&status=placed").await.ok()), all);
    let export = query.request("/v1/orders").header("accept", "application/x-ndjson");
    assert_eq!(exported(export).await, all);
    let totals = query.get("/v1/orders/totals").await.ok();
    assert_eq!(totals["data"][0]["count"], json!(orders.len()));
    let some: Vec<&str> = orders.iter().step_by(7).map(|known| &*known.id).collect();
    let body = json!({"ids": some}).to_string();
    let found = Answer::of(query.post("/v1/orders/lookup", "application/json", body)).await.ok();
    let found: Vec<_> = found["data"].as_array().unwrap().iter().map(|row| row["order_id"].as_str()).collect();
    assert_eq!(found, some.into_iter().map(Some).collect::<Vec<_>>());
    let mut follower = Follower::new();
    for _ in 0..6 {
        follower.go_on(query, 100).await;
    }
    assert_eq!(follower.seen, all, "what the feed tells");
    let seen = walk(query).await;
    assert_eq!(seen.len(), orders.len(), "twice, or not at all");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), all);
    for (read, count) in statements(query).await {
        let count = count - before.get(&read).copied().unwrap_or_default();
        let most = most.entry(read).or_default();
        *most = count.max(*most);
    }
}

/// The whole list, a page of a few orders at a time.
async fn walk(query: &Served) -> Vec<String> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = query.get(&format!("/v1/orders?limit=17{cursor}")).await.ok();
        seen.extend(ids(&page));
        let Some(next) = page["next_cursor"].as_str() else { return seen };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_over_all_shards_does_not_begin_anew_for_each_change_of_a_state_moves() {
    let scene = Scene::start("marks", &["--cache-bytes", "0"]).await;
    let orders = scene.log(&scene.first, 0..ORDERS).await;
    scene.is_stored(orders.len()).await;
    let mut mover = Mover::new(&scene.log, &scene.pools, MoverSettings::default());
    mover.begin(&scene.units(A, ORDERS), ShardId(1)).await.unwrap();
    mover.run(&|_| ()).await.unwrap();
    let (mut at_rest, mut meanwhile) = (Statements::new(), Statements::new());
    for _ in 0..3 {
        read_all(&scene.query, &orders, &mut at_rest).await;
    }

    let mut marking = tokio::task::JoinSet::new();
    for shard in 0..scene.shards.urls.len() {
        let url = scene.shards.urls[shard].clone();
        let stack = scene.shards.stack;
        marking.spawn(async move { stack.sql(&url, MARKS).await.unwrap() });
    }
    for _ in 0..5 {
        read_all(&scene.query, &orders, &mut meanwhile).await;
    }
    println!("statements at rest: {at_rest:?}, and while states change: {meanwhile:?}");
    scene.shards.sql_everywhere("create table over ()").await;
    while let Some(ended) = marking.join_next().await {
        ended.unwrap();
    }
    for (read, count) in &meanwhile {
        assert!(*count <= 2 * at_rest[read], "{read}: {count} while states change");
    }
    scene.stop().await;
}
