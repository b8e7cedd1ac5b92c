//! Totals are what the orders of a list come to, whatever was asked before, sent twice, or refused.

use forebay_model::{ShardId, Timestamp};
use forebay_testkit::totals::{sum_of, totals_of};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::scene::Scene;

const HOUR_US: i64 = 3_600_000_000;
/// 2025-05-30T20:00:00Z
const START_US: i64 = 1_748_635_200_000_000;
/// Over the end of a month.
const HOURS: i64 = 72;

fn random_orders(random: &mut StdRng, count: usize) -> Vec<Value> {
    let order = |n: usize, random: &mut StdRng| {
        // The first instant of an hour belongs to it, the last one too.
        let us = [0, HOUR_US - 1, random.random_range(0..HOUR_US)][random.random_range(0..3)];
        let at = Timestamp::from_unix_us(START_US + random.random_range(0..HOURS) * HOUR_US + us).to_string();
        let (kind, sign) = if random.random_bool(0.2) { ("return", -1) } else { ("sale", 1) };
        let mut item = || {
            let seller = format!("S{}", random.random_range(0..3));
            json!({"sku": "x", "quantity": sign * random.random_range(1..4), "price": random.random_range(0..1000), "seller_id": seller})
        };
        let items = [item(), item()];
        let currency = ["EUR", "GBP"][random.random_range(0..2)];
        json!({
            "order_id": format!("T{n}"), "customer_id": format!("C{}", random.random_range(0..5)), "timestamp": at, "kind": kind,
            "currency": currency, "items": items
        })
    };
    (0..count).map(|n| order(n, random)).collect()
}

fn at(order: &Value) -> i64 {
    Timestamp::parse(order["timestamp"].as_str().unwrap()).unwrap().unix_us()
}

/// Orders of a list, each with what it comes to there.
fn of_list(list: &str, orders: &[Value]) -> Vec<(Value, i64)> {
    let items = |order: &Value| order["items"].as_array().unwrap().clone();
    let whole = |order: &Value| (order.clone(), sum_of(&items(order)));
    match list.rsplit_once('/') {
        Some(("/v1/customers", customer)) => {
            orders.iter().filter(|order| order["customer_id"] == *customer).map(whole).collect()
        }
        Some(("/v1/sellers", seller)) => {
            let hers = |order: &Value| {
                items(order).into_iter().filter(|item| item["seller_id"] == *seller).collect::<Vec<_>>()
            };
            let seen = orders.iter().filter(|order| !hers(order).is_empty());
            seen.map(|order| (order.clone(), sum_of(&hers(order)))).collect()
        }
        _ => orders.iter().map(whole).collect(),
    }
}

/// What the totals of a list must be.
fn model(list: &str, orders: &[Value], range: std::ops::Range<i64>, by: Option<&str>) -> Value {
    let seen = of_list(list, orders);
    totals_of(seen.iter().filter(|(order, _)| range.contains(&at(order))).map(|(order, sum)| (order, *sum)), by)
}

async fn check(scene: &Scene, orders: &[Value], random: &mut StdRng) {
    let customers = (0..5).map(|n| format!("/v1/customers/C{n}"));
    let sellers = (0..3).map(|n| format!("/v1/sellers/S{n}"));
    for list in ["/v1/orders".to_owned()].into_iter().chain(customers).chain(sellers) {
        let path = format!("{list}/totals");
        assert_eq!(scene.get(&path).await.ok(), model(&list, orders, 0..i64::MAX, None), "{path}");
        // What many clients send for ever.
        let ever = format!("{path}?from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z");
        assert_eq!(scene.get(&ever).await.ok(), model(&list, orders, 0..i64::MAX, None), "{ever}");
        for by in [None, Some("hour"), Some("day"), Some("month")] {
            let mut edge = || {
                let us = [0, 1, random.random_range(0..HOUR_US)][random.random_range(0..3)];
                START_US + random.random_range(0..HOURS) * HOUR_US + us
            };
            let (a, b) = (edge(), edge());
            let range = a.min(b)..a.max(b) + 1;
            let [from, to] = [range.start, range.end].map(Timestamp::from_unix_us);
            let by_text = by.map(|by| format!("&by={by}")).unwrap_or_default();
            let asked = format!("{path}?from={from}&to={to}{by_text}");
            assert_eq!(scene.get(&asked).await.ok(), model(&list, orders, range, by), "{asked}");
        }
    }
}

/// What is kept by the hour and by the day is what the orders of it come to.
async fn check_kept(scene: &Scene) {
    let differing = "select count(*) from (select tenant, date_trunc('hour', ordered_at, 'UTC') as hour, kind, currency, \
            count(*) as orders, sum(total) as total from orders group by 1, 2, 3, 4) as there \
        full join order_sums as kept using (tenant, hour, kind, currency) \
        where (there.orders, there.total) is distinct from (kept.orders, kept.total)";
    let of_views = "select count(*) from (select bucket, tenant, view, key, date_trunc('day', ordered_at, 'UTC') as day, kind, currency, \
            count(*) as orders, sum(subtotal) as total from order_views group by 1, 2, 3, 4, 5, 6, 7) as there \
        full join view_sums as kept using (bucket, tenant, view, key, day, kind, currency) \
        where (there.orders, there.total) is distinct from (kept.orders, kept.total)";
    for shard in 0..3 {
        assert_eq!(scene.sql(ShardId(shard), differing).await, "0", "shard {shard}");
        assert_eq!(scene.sql(ShardId(shard), of_views).await, "0", "views of shard {shard}");
    }
}

#[tokio::test]
async fn totals_are_what_the_orders_come_to_whatever_was_sent_twice() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let random = &mut StdRng::seed_from_u64(seed);
    let mut scene = Scene::start("totals").await;
    let orders = random_orders(random, 200);
    let (first, second) = orders.split_at(120);
    scene.writing.write(first).await;
    check(&scene, first, random).await;
    // Some of them again, as they were, and with other content; then what is new among them, and then alone.
    let mut again = first[..40].to_vec();
    for order in &mut again[20..] {
        order["items"][0]["price"] = json!(5000);
    }
    again.extend_from_slice(&second[..30]);
    scene.writing.write(&again).await;
    scene.writing.write(&second[30..]).await;
    assert_ne!(
        scene.sql(ShardId(0), "select rows_duplicate + rows_dead from lane_tally where lane = 'orders'").await,
        "0"
    );
    check(&scene, &orders, random).await;
    check_kept(&scene).await;
    let answer = scene.get("/v1/orders/totals?by=hour").await;
    assert!(answer.header("forebay-position").contains("l0."), "{}", answer.header("forebay-position"));
}

#[tokio::test]
async fn totals_are_kept_until_an_order_of_their_time_comes() {
    let mut scene = Scene::start("totalscache").await;
    let order = |n: i64, day: u32| {
        json!({
            "order_id": format!("K{n}"), "customer_id": format!("C{n}"), "timestamp": format!("2025-06-{day:02}T12:00:00Z"),
            "items": [{"sku": "x", "quantity": 1, "price": 5}]
        })
    };
    scene.writing.write(&(0..9).map(|n| order(n, 1)).collect::<Vec<_>>()).await;
    let path = "/v1/orders/totals?from=2025-06-01T00:00:00Z&to=2025-06-02T00:00:00Z";
    scene.writing.beat().await;
    forebay_testkit::eventually("it is kept", async || {
        let answer = scene.get(path).await;
        (answer.header("forebay-cache") == "l1", answer.header("forebay-cache").to_owned())
    })
    .await;
    assert_eq!(scene.get(path).await.ok()["data"][0]["count"], 9);
    let (_, receipt) = scene.writing.write(&[order(100, 1)]).await;
    let answer = scene.get(&format!("{path}&after={receipt}")).await;
    assert_eq!(answer.header("forebay-cache"), "miss");
    assert_eq!(answer.ok()["data"][0]["count"], 10);
}

#[tokio::test]
async fn without_a_shard_totals_are_partial_or_none() {
    let mut scene = Scene::start("totalspartial").await;
    scene.writing.write(&random_orders(&mut StdRng::seed_from_u64(2), 60)).await;
    scene.take_down(ShardId(1)).await;
    scene.get("/v1/orders/totals").await.problem(503, "shard_unavailable");
    let answer = scene.get("/v1/orders/totals?partial=true").await.ok();
    assert_eq!(answer["shards_missing"], json!([1]));
    scene.bring_back(ShardId(1)).await;
    let said = scene.get("/v1/orders/totals?by=week").await;
    assert_eq!(said.problem(400, "malformed"), "`by` must be hour, day or month");
}
