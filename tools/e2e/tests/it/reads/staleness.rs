//! No stale answer: while notices get lost, and the writer and Redis are killed at random, every answer of two query processes
//! holds each order that lies before the answer's position. `FOREBAY_TRIAL_S` makes it longer.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use forebay_e2e::System;
use forebay_e2e::patient::answer_of;
use forebay_model::Receipt;
use forebay_stack::{Durability, Server, ServiceName};
use serde_json::{Value, json};

const CUSTOMERS: u64 = 60;
/// What the writer does on purpose: of its notices it loses some, and between COMMIT and notice it dies now and then.
const FAILPOINTS: &str = "notice=drop:0.2,after-commit=abort:0.005";

/// An order that was acknowledged, and where it lies.
#[derive(Clone)]
struct Acked {
    customer: u64,
    id: String,
    at: Receipt,
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_lacks_what_was_committed_before_its_position() {
    let seconds = std::env::var("FOREBAY_TRIAL_S").ok().and_then(|text| text.parse().ok()).unwrap_or(8);
    let mut system = System::start(2, Durability::Real, &[("FOREBAY_FAILPOINTS", FAILPOINTS)]).await.unwrap();
    let queries = [system.url(ServiceName::Query, ""), system.start_another(ServiceName::Query, &[]).await.unwrap()];
    let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
    let (acked, over, reads) = (Mutex::new(Vec::<Acked>::new()), AtomicBool::new(false), AtomicU64::new(0));
    let writing = async {
        let mut place = 0;
        while !over.load(Ordering::Relaxed) {
            place += 1;
            let customer = (place * 7919) % CUSTOMERS;
            let items = json!([{"sku": "A", "quantity": 1, "price": 100}]);
            let order = json!({"customer_id": format!("C{customer}"), "items": items});
            let (status, answer) = system.post(&order).await.unwrap();
            assert_eq!(status, 202, "{answer}");
            let (id, at) = (answer["order_id"].as_str().unwrap(), answer["receipt"].as_str().unwrap());
            acked.lock().unwrap().push(Acked { customer, id: id.to_owned(), at: at.parse().unwrap() });
        }
    };
    let reading = |offset: u64| {
        let (http, queries, acked, over, reads) = (&http, &queries, &acked, &over, &reads);
        async move {
            let mut place = offset;
            while !over.load(Ordering::Relaxed) {
                place += 13;
                let customer = place % CUSTOMERS;
                let known = acked.lock().unwrap().iter().filter(|order| order.customer == customer).cloned().collect();
                let path = format!("/v1/customers/C{customer}/orders?limit=1000");
                let url = format!("{}{path}", queries[(place / CUSTOMERS % 2) as usize]);
                check(answer_of(http.get(url)).await.unwrap(), &path, known).await;
                reads.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let faults = async {
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut round = 0u64;
        while Instant::now() < end {
            round += 1;
            tokio::time::sleep(Duration::from_millis(300 + round * 7919 % 900)).await;
            if round.is_multiple_of(3) {
                system.stack.kill(Server::Redis).await;
                system.stack.restart(Server::Redis).await.unwrap();
            } else {
                system.process(ServiceName::Writer).kill().await;
            }
            // It may just have died on purpose, even while it started.
            while system.process(ServiceName::Writer).ensure_started().await.is_err() {}
        }
        over.store(true, Ordering::Relaxed);
    };
    tokio::join!(writing, reading(1), reading(2), reading(3), faults);
    println!("{} orders, {} reads", acked.into_inner().unwrap().len(), reads.into_inner());
    let mut hits = 0;
    for query in &queries {
        let stats: Value = http.get(format!("{query}/v1/stats")).send().await.unwrap().json().await.unwrap();
        println!("{}", stats["cache"]);
        hits += stats["cache"]["hits"].as_u64().unwrap();
    }
    assert!(hits > 0, "the cache had no part in it");
    system.stop().await.unwrap();
}

async fn check(answer: reqwest::Response, path: &str, known: Vec<Acked>) {
    let header =
        |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (status, from, position) = (answer.status(), header("forebay-cache"), header("forebay-position"));
    let body: Value = answer.json().await.unwrap();
    assert_eq!(status, 200, "{body}");
    let Ok(at) = position.parse::<Receipt>() else { return };
    let shown: Vec<&str> =
        body["data"].as_array().unwrap().iter().filter_map(|order| order["order_id"].as_str()).collect();
    for order in known {
        let mut places = order.at.positions();
        let is_before = places.any(|(stream, place)| at.position(stream).is_some_and(|at| at.covers(place)));
        let is_shown = shown.contains(&order.id.as_str());
        assert!(is_shown || !is_before, "{path} from {from} at {position} lacks {} at {}", order.id, order.at);
    }
}
