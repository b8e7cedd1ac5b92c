//! Lists are complete, in order, and without repetition, however they are walked.

use std::cell::Cell;

use forebay_model::{Lane, Timestamp};
use forebay_shard::{Merger, ShardAddresses, Swap};
use forebay_testkit::eventually;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::paging::walk::{SortKey, model, walk};
use crate::scene::{Scene, order_ids, start_query};

const DAY_US: i64 = 86_400_000_000;
/// 2025-03-20T00:00:00Z
const START_US: i64 = 1_742_428_800_000_000;
/// Enough for windows by the month.
const DAYS: i64 = 60;

/// Orders over some weeks, with many equal times, and with order ids that several customers have.
fn random_orders(random: &mut StdRng, count: usize) -> Vec<Value> {
    let mut orders: Vec<Value> = Vec::new();
    let mut places = std::collections::BTreeSet::new();
    while orders.len() < count {
        let day = random.random_range(0..DAYS);
        let us = if random.random_bool(0.7) { random.random_range(0..3) } else { random.random_range(0..DAY_US) };
        let mut at = Timestamp::from_unix_us(START_US + day * DAY_US + us).to_string();
        // Capital letters, small ones and others: bytes and alphabets order them differently.
        let letter = ["A", "a", "ä", "Z", "_"][random.random_range(0..5)];
        let mut order_id = format!("{letter}{}", random.random_range(0..30));
        if let Some(last) = orders.last().filter(|_| random.random_bool(0.6)) {
            // Another customer's order with the same time and the same id.
            last["timestamp"].as_str().unwrap().clone_into(&mut at);
            last["order_id"].as_str().unwrap().clone_into(&mut order_id);
        }
        let customer = format!("C{}", random.random_range(0..12));
        if places.insert((order_id.clone(), customer.clone())) {
            let seller = format!("S{}", random.random_range(0..3));
            let (kind, quantity) = if random.random_bool(0.2) { ("return", -1) } else { ("sale", 1) };
            orders.push(json!({
                "order_id": order_id, "customer_id": customer, "timestamp": at, "kind": kind,
                "items": [{"sku": "x", "quantity": quantity, "price": 5, "seller_id": seller}]
            }));
        }
    }
    orders
}

fn sizes(random: &mut StdRng) -> Vec<usize> {
    (0..5).map(|_| random.random_range(1..40)).collect()
}

/// Some range of time, as parameters and as a condition.
fn random_span(random: &mut StdRng) -> (String, impl Fn(&SortKey) -> bool + use<>) {
    let at = |us: i64| Timestamp::from_unix_us(us);
    let mut edge = || START_US + random.random_range(0..DAYS) * DAY_US + random.random_range(0..3);
    let (a, b) = (edge(), edge());
    let (from, to) = (a.min(b), a.max(b) + 1);
    (format!("from={}&to={}", at(from), at(to)), move |place: &SortKey| from <= place.0 && place.0 < to)
}

/// Walks a list in both directions, as a whole, over some range, and with the orders of each kind alone. `orders` are what it has.
async fn check_list(scene: &Scene, list: &str, orders: &[Value], random: &mut StdRng) {
    for (order, oldest_first) in [("asc", true), ("desc", false)] {
        let walked = walk(scene, &format!("{list}?order={order}"), &sizes(random)).await;
        assert_eq!(walked, model(orders, oldest_first, |_| true), "{list} {order}");
        for kind in ["sale", "return"] {
            let of_kind: Vec<_> = orders.iter().filter(|order| order["kind"] == kind).cloned().collect();
            let (span, holds) = random_span(random);
            let walked = walk(scene, &format!("{list}?order={order}&kind={kind}&{span}"), &sizes(random)).await;
            assert_eq!(walked, model(&of_kind, oldest_first, holds), "{list} {order} {kind} {span}");
        }
        for _ in 0..2 {
            let (span, holds) = random_span(random);
            let walked = walk(scene, &format!("{list}?order={order}&{span}"), &sizes(random)).await;
            assert_eq!(walked, model(orders, oldest_first, holds), "{list} {order} {span}");
        }
    }
}

async fn check_every_list(scene: &Scene, orders: &[Value], random: &mut StdRng) {
    check_list(scene, "/v1/orders", orders, random).await;
    let those =
        |is_of: &dyn Fn(&Value) -> bool| orders.iter().filter(|order| is_of(order)).cloned().collect::<Vec<_>>();
    for customer in (0..12).map(|n| format!("C{n}")) {
        let his = those(&|order| order["customer_id"] == *customer);
        check_list(scene, &format!("/v1/customers/{customer}/orders"), &his, random).await;
    }
    for seller in (0..3).map(|n| format!("S{n}")) {
        let hers = those(&|order| order["items"][0]["seller_id"] == *seller);
        check_list(scene, &format!("/v1/sellers/{seller}/orders"), &hers, random).await;
    }
}

#[tokio::test]
async fn every_walk_meets_each_order_once_in_order() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let random = &mut StdRng::seed_from_u64(seed);
    let mut scene = Scene::start("walks").await;
    let orders = random_orders(random, 300);
    scene.writing.write(&orders).await;
    // This service has looked at the partitions before there were any, and the next one after.
    check_every_list(&scene, &orders, random).await;
    scene.query = start_query(&scene.log, &scene.shards.urls, &[]).await;
    check_every_list(&scene, &orders, random).await;
}

#[tokio::test]
async fn a_page_of_large_orders_ends_early_and_the_walk_goes_on() {
    let mut scene = Scene::start("large").await;
    let note = "x".repeat(250_000);
    let orders: Vec<Value> = (0..40)
        .map(|n| {
            json!({
                "order_id": format!("L{n:02}"), "customer_id": "LARGE", "timestamp": "2025-06-30T12:30:00Z",
                "items": [{"sku": "x", "quantity": 1, "price": 5}], "note": note
            })
        })
        .collect();
    for some in orders.chunks(10) {
        scene.writing.write(some).await;
    }
    for path in ["/v1/customers/LARGE/orders?limit=1000", "/v1/orders?limit=1000"] {
        let first = scene.get(path).await.ok();
        let second = scene.get(&format!("{path}&cursor={}", first["next_cursor"].as_str().unwrap())).await.ok();
        assert_eq!((first["has_more"].as_bool(), second["has_more"].as_bool()), (Some(true), Some(false)));
        assert!(first["data"].as_array().unwrap().len() > 30);
        let ids: Vec<&str> = order_ids(&first).into_iter().chain(order_ids(&second)).collect();
        let expected: Vec<String> = (0..40).rev().map(|n| format!("L{n:02}")).collect();
        assert_eq!(ids, expected);
    }
}

/// Merges whatever can be merged in one shard.
async fn merge(url: &str, lane: Lane) -> usize {
    let address = url.parse::<ShardAddresses>().unwrap().iter().next().unwrap().clone();
    let mut merges = 0;
    // The last session may take a moment to end, and maintenance may hold a lock for a moment.
    eventually("the shard is merged", async || {
        let Some(mut merger) = Merger::open(&address, lane).await.unwrap() else {
            return (false, "somebody merges".to_owned());
        };
        while let Some(part) = merger.periods(Timestamp::now()).await.unwrap().into_iter().next() {
            let mut build = merger.begin(part).await.unwrap();
            while merger.step(&mut build).await.unwrap() {}
            match merger.swap(&mut build, |_| forebay_shard::Touch::No).await.unwrap() {
                Swap::Done => merges += 1,
                other => return (false, format!("{other:?}")),
            }
        }
        (true, String::new())
    })
    .await;
    merges
}

#[tokio::test]
async fn every_list_is_complete_while_and_after_partitions_are_merged() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut scene = Scene::start("lists_merged").await;
    let orders = random_orders(&mut random, 300);
    scene.writing.write(&orders).await;
    // What the service knows of the partitions is out of date from here on.
    let is_merged = Cell::new(false);
    let merging = async {
        let mut merges = 0;
        for lane in [Lane::Orders, Lane::Views] {
            for url in &scene.shards.urls {
                merges += merge(url, lane).await;
            }
        }
        is_merged.set(true);
        merges
    };
    let reading = async {
        while !is_merged.get() {
            check_every_list(&scene, &orders, &mut random).await;
        }
    };
    let (merges, ()) = tokio::join!(merging, reading);
    // Not every shard has a view of these sellers.
    assert!((4..=6).contains(&merges), "{merges} merges");
    check_every_list(&scene, &orders, &mut random).await;
    scene.query = start_query(&scene.log, &scene.shards.urls, &[]).await;
    check_every_list(&scene, &orders, &mut random).await;
}
