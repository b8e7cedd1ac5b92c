//! What is read while orders come in. In the suite these are short; `FOREBAY_TRIAL_ORDERS` makes trials of them, such as
//! `FOREBAY_TRIAL_ORDERS=100000 ./dev test -p forebay-e2e reading --no-capture`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use forebay_e2e::System;
use forebay_e2e::patient::answer_of;
use forebay_model::Timestamp;
use forebay_stack::{Durability, ServiceName};
use serde_json::{Value, json};

fn trial_orders(otherwise: u64) -> u64 {
    std::env::var("FOREBAY_TRIAL_ORDERS").ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Somebody who posts an order and reads it at once, by all roads in turn.
async fn post_and_read(http: reqwest::Client, ingest: String, queries: [String; 2], place: u64) -> Result<(), String> {
    let (customer, seller) = (format!("C{}", place % 300), format!("S{}", place % 40));
    let mut order = json!({"customer_id": customer,
        "items": [{"sku": "A", "quantity": 1, "price": 100, "seller_id": seller}]});
    if place.is_multiple_of(2) {
        order["order_id"] = format!("RYW-{place}").into();
        order["timestamp"] = Timestamp::now().to_string().into();
    }
    let posted = answer_of(http.post(ingest).json(&order)).await.map_err(|error| error.to_string())?;
    let (status, posted) = (posted.status(), posted.json::<Value>().await.map_err(|error| error.to_string())?);
    if status != 202 {
        return Err(format!("{status}: {posted}"));
    }
    let text = |name: &str| posted[name].as_str().unwrap_or_default().to_owned();
    let (id, receipt, at) = (text("order_id"), text("receipt"), text("timestamp"));
    let end = Timestamp::parse(&at).map_err(|error| error.to_string())?.plus_us(1000);
    let path = match place % 5 {
        0 => format!("/v1/customers/{customer}/orders?limit=5&from={at}&to={end}"),
        1 => format!("/v1/customers/{customer}/orders/{id}?partial=false"),
        2 => format!("/v1/orders/{id}?partial=false"),
        3 => format!("/v1/sellers/{seller}/orders?limit=1000&from={at}&to={end}"),
        _ => format!("/v1/orders?limit=1000&from={at}&to={end}"),
    };
    let query = &queries[(place / 5 % 2) as usize];
    let url = format!("{query}{path}&after={receipt}&wait_ms=60000");
    let answer = answer_of(http.get(&url)).await.map_err(|error| error.to_string())?;
    let (status, from) = (answer.status(), answer.headers().get("forebay-cache").cloned());
    let body: Value = answer.json().await.map_err(|error| error.to_string())?;
    let is = |order: &Value| order["order_id"] == id.as_str();
    if is(&body) || body["data"].as_array().is_some_and(|all| all.iter().any(is)) {
        return Ok(());
    }
    Err(format!("{id} is not in the answer to {url} ({status}, {from:?}): {body}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_reads_what_they_have_just_written() {
    let orders = trial_orders(3_000);
    let mut system = System::start(3, Durability::Real, &[]).await.unwrap();
    let other = system.start_another(ServiceName::Query, &[]).await.unwrap();
    let queries = [system.url(ServiceName::Query, ""), other];
    let http = reqwest::Client::builder().timeout(Duration::from_secs(90)).build().unwrap();
    let load = system.forebay(&["generate", "--orders", &(orders * 4).to_string()], b"").await.unwrap();
    let load = load.ok().unwrap().stdout.into_bytes();
    let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let begin = Instant::now();
    let people = futures::future::join_all((0..24).map(|_| async {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= orders {
                return;
            }
            let outcome =
                post_and_read(http.clone(), system.url(ServiceName::Ingest, "/v1/orders"), queries.clone(), place);
            outcome.await.unwrap();
            done.fetch_add(1, Ordering::Relaxed);
        }
    }));
    let restarts = async {
        for part in 1..4 {
            while done.load(Ordering::Relaxed) < orders * part / 5 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            system.process(ServiceName::Writer).kill().await;
            system.process(ServiceName::Writer).restart().await.unwrap();
        }
    };
    let (replayed, (), _) = tokio::join!(system.replay(&["-"], &load), restarts, people);
    replayed.unwrap();
    println!("{} of {orders} orders were seen at once, in {:?}", done.into_inner(), begin.elapsed());
    for query in &queries {
        let stats: Value = http.get(format!("{query}/v1/stats")).send().await.unwrap().json().await.unwrap();
        println!("{}", stats["cache"]);
    }
    system.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_by_cursor_meets_every_order_once_while_more_come_in() {
    let orders = trial_orders(20_000);
    let system = System::start(3, Durability::Fast, &[]).await.unwrap();
    let generate = |orders: u64, seed: &'static str| {
        let orders = orders.to_string();
        let system = &system;
        async move {
            let run = system.forebay(&["generate", "--orders", &orders, "--seed", seed], b"").await.unwrap();
            run.ok().unwrap().stdout.into_bytes()
        }
    };
    let before = generate(orders, "1").await;
    system.replay(&["-"], &before).await.unwrap();
    system.wait_for_orders(i64::try_from(orders).unwrap()).await.unwrap();
    let ids: BTreeSet<String> = String::from_utf8(before).unwrap().lines().map(id_of).collect();
    let more = generate(orders, "2").await;
    let walk = async {
        let (mut met, mut last, mut took) = (BTreeSet::new(), None, Vec::new());
        let limit = if orders >= 1_000_000 { 1000 } else { 100 };
        let mut next = format!("/v1/orders?limit={limit}");
        loop {
            let begin = Instant::now();
            let (status, page) = system.get(&next).await.unwrap();
            took.push(begin.elapsed());
            assert_eq!(status, 200, "{page}");
            for order in page["data"].as_array().unwrap() {
                let (id, at) = (order["order_id"].as_str().unwrap(), order["timestamp"].as_str().unwrap());
                let at = Timestamp::parse(at).unwrap();
                assert!(last.is_none_or(|last| at <= last), "{id} at {at} follows {last:?}");
                last = Some(at);
                assert!(met.insert(id.to_owned()), "{id} is met twice");
            }
            let Some(cursor) = page["next_cursor"].as_str() else { return (met, took) };
            next = format!("/v1/orders?limit={limit}&cursor={cursor}");
        }
    };
    let (replayed, (met, took)) = tokio::join!(system.replay(&["-"], &more), walk);
    replayed.unwrap();
    let missed = ids.difference(&met).count();
    assert_eq!(missed, 0, "of {} orders committed before the walk", ids.len());
    let median = |part: &[Duration]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part[part.len() / 2]
    };
    let tenth = took.len() / 10;
    let (first, last) = (median(&took[..tenth]), median(&took[took.len() - tenth..]));
    println!("{} pages; the first tenth took {first:?} a page, the last {last:?}", took.len());
    system.stop().await.unwrap();
}

fn id_of(line: &str) -> String {
    serde_json::from_str::<Value>(line).unwrap()["order_id"].as_str().unwrap().to_owned()
}
