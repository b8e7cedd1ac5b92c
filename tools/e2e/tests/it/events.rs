use std::collections::BTreeMap;

use forebay_e2e::System;
use forebay_model::Timestamp;
use forebay_stack::{Durability, ServiceName};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

const RANKS: [&str; 6] = ["confirmed", "packed", "shipped", "delivered", "cancelled", "returned"];
const KINDS: [&str; 9] =
    ["confirmed", "packed", "shipped", "delivered", "cancelled", "returned", "note", "x-seen", "paid"];

/// An order that was sent, and what happened to it.
struct Sent {
    customer: String,
    order_id: String,
    timestamp: String,
    seller: String,
    /// Who has the second item.
    other: String,
    events: Vec<Value>,
}

impl Sent {
    /// What it has become for one who has these items: the latest of its states, whatever the order in which they came.
    fn status(&self, items: &[(&str, i64)]) -> (String, String) {
        let rank = |event: &Value| RANKS.iter().position(|kind| event["kind"] == *kind);
        let key = |event: &Value| {
            (event["at"].as_str().unwrap().to_owned(), rank(event), event["event_id"].as_str().unwrap().to_owned())
        };
        let mut states: Vec<_> = self.events.iter().filter(|event| rank(event).is_some()).collect();
        states.sort_by_key(|event| key(event));
        let mut status = ("placed".to_owned(), self.timestamp.clone());
        let mut back: BTreeMap<&str, i64> = BTreeMap::new();
        let mut told = 0;
        for event in states {
            if event["kind"] == "returned" {
                // The key of a view, which has one of the items, is told of no more than it has had.
                if let ([(sku, quantity)], Some(named)) = (items, event.get("items")) {
                    if named[0]["sku"] != *sku || told >= *quantity {
                        continue;
                    }
                    told += named[0]["quantity"].as_i64().unwrap();
                }
                for &(sku, quantity) in items {
                    let of_sku = event.get("items").map_or(0, |items| items[0]["quantity"].as_i64().unwrap());
                    let back = back.entry(sku).or_default();
                    match event.get("items") {
                        None => *back = quantity.max(*back),
                        Some(items) if items[0]["sku"] == sku => *back += of_sku,
                        Some(_) => {}
                    }
                }
                if items.iter().any(|(sku, quantity)| back[sku] < *quantity) {
                    continue;
                }
            }
            status = (event["kind"].as_str().unwrap().to_owned(), event["at"].as_str().unwrap().to_owned());
        }
        status
    }

    /// Whose items it has.
    fn parts(&self) -> [(&str, &[(&str, i64)]); 2] {
        [(&self.seller, &[("A", 2)]), (&self.other, &[("B", 1)])]
    }

    fn paid(&self) -> Option<i64> {
        let paid: Vec<i64> = self
            .events
            .iter()
            .filter(|event| event["kind"] == "paid")
            .map(|event| event["amount"].as_i64().unwrap())
            .collect();
        (!paid.is_empty()).then(|| paid.iter().sum())
    }
}

fn event(random: &mut StdRng, number: usize) -> Value {
    let kind = KINDS[random.random_range(0..KINDS.len())];
    let at = format!("2025-07-01T00:00:{:02}Z", random.random_range(0..20));
    let mut event = json!({"event_id": format!("E{number}"), "kind": kind, "at": at, "by": "test"});
    if kind == "paid" {
        event["amount"] = random.random_range(0..1000).into();
    }
    if kind == "returned" && random.random_bool(0.7) {
        let sku = if random.random_bool(0.7) { "A" } else { "B" };
        event["items"] = json!([{"sku": sku, "quantity": random.random_range(1..=2)}]);
    }
    event
}

/// Sends orders and events in any order, some of them twice. Orders with ids of their own may come behind their events. Now and then the
/// writer is killed.
async fn send(system: &System, random: &mut StdRng, orders: usize) -> Vec<Sent> {
    let mut sent: Vec<Sent> = Vec::new();
    let mut posts: Vec<(String, Value)> = Vec::new();
    for number in 0..orders {
        let (customer, seller) = (format!("C{}", number % 17), format!("S{}", number % 5));
        let other = format!("S{}", 5 + number % 3);
        let timestamp = format!("2025-06-{:02}T12:00:00Z", 1 + number % 28);
        let items = json!([{"sku": "A", "quantity": 2, "price": 100, "seller_id": seller},
            {"sku": "B", "quantity": 1, "price": 100, "seller_id": other}]);
        let mut order = json!({"customer_id": customer, "timestamp": timestamp, "items": items});
        let is_assigned = number % 3 == 0;
        let order_id = if is_assigned {
            let (status, answer) = system.post(&order).await.unwrap();
            assert_eq!(status, 202, "{answer}");
            answer["order_id"].as_str().unwrap().to_owned()
        } else {
            order["order_id"] = format!("O{number}").into();
            posts.push(("/v1/orders".to_owned(), order));
            format!("O{number}")
        };
        let events: Vec<Value> = (0..random.random_range(0..8)).map(|number| event(random, number)).collect();
        for event in &events {
            let mut event = event.clone();
            // The customer of an assigned id may be named or not: it is the same event.
            if !is_assigned || random.random_bool(0.5) {
                event["customer_id"] = customer.clone().into();
            }
            let path = format!("/v1/orders/{order_id}/events");
            if random.random_bool(0.2) {
                let mut again = event.clone();
                if is_assigned {
                    again.as_object_mut().unwrap().remove("customer_id");
                }
                posts.push((path.clone(), again));
            }
            if random.random_bool(0.5) {
                event["order_id"] = order_id.clone().into();
                posts.push(("/v1/events/batch".to_owned(), json!([event])));
            } else {
                posts.push((path, event));
            }
        }
        sent.push(Sent { customer, order_id, timestamp, seller, other, events });
    }
    posts.shuffle(random);
    for chunk in posts.chunks(50) {
        let answers = chunk.iter().map(async |(path, body)| (system.post_to(path, body).await.unwrap(), body));
        for ((status, answer), body) in futures::future::join_all(answers).await {
            assert_eq!(status, 202, "{body}: {answer}");
        }
        if random.random_bool(0.15) {
            system.process(ServiceName::Writer).kill().await;
            system.process(ServiceName::Writer).restart().await.unwrap();
        }
    }
    sent
}

/// An instant as answers have it.
fn in_full(at: &str) -> String {
    Timestamp::parse(at).unwrap().in_full().to_string()
}

async fn list(system: &System, path: &str) -> BTreeMap<String, Value> {
    let (status, page) = system.get(path).await.unwrap();
    assert_eq!((status, &page["has_more"]), (200, &json!(false)), "{page}");
    let id = |order: &Value| order["order_id"].as_str().unwrap().to_owned();
    page["data"].as_array().unwrap().iter().map(|order| (id(order), order.clone())).collect()
}

/// The ids of a list, in its order, page by page.
async fn walk(system: &System, path: &str) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = system.get(&format!("{path}{cursor}")).await.unwrap();
        assert_eq!(status, 200, "{path}: {page}");
        ids.extend(page["data"].as_array().unwrap().iter().map(|order| order["order_id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}

/// Every list by each status has the orders that have come to it, and no other, in the order of the list.
async fn lists_by_status(system: &System, sent: &[Sent]) {
    let of = |is_of: &dyn Fn(&Sent) -> Option<String>, status: &str| {
        let mut found: Vec<_> = sent.iter().filter(|order| is_of(order).as_deref() == Some(status)).collect();
        found.sort_by_key(|order| (&order.timestamp, &order.order_id));
        found.iter().map(|order| order.order_id.clone()).collect::<Vec<_>>()
    };
    let whole = |order: &Sent| order.status(&[("A", 2), ("B", 1)]).0;
    let part = |order: &Sent, seller: &str| {
        order.parts().iter().find(|part| part.0 == seller).map(|part| order.status(part.1).0)
    };
    for status in ["placed"].into_iter().chain(RANKS) {
        for direction in ["asc", "desc"] {
            let page = format!("status={status}&order={direction}&limit=7");
            let same = async |path: String, mut expected: Vec<String>| {
                if direction == "desc" {
                    expected.reverse();
                }
                assert_eq!(walk(system, &format!("{path}?{page}")).await, expected, "{path}?{page}");
                assert_eq!(walk(system, &format!("{path}?{page}&kind=sale")).await, expected, "{path}?{page}");
                assert!(walk(system, &format!("{path}?{page}&kind=return")).await.is_empty());
            };
            same("/v1/orders".to_owned(), of(&|order| Some(whole(order)), status)).await;
            for customer in ["C0", "C3"] {
                let is_of = |order: &Sent| (order.customer == customer).then(|| whole(order));
                same(format!("/v1/customers/{customer}/orders"), of(&is_of, status)).await;
            }
            for seller in ["S0", "S4", "S5", "S7"] {
                same(format!("/v1/sellers/{seller}/orders"), of(&|order| part(order, seller), status)).await;
            }
        }
        let (code, placed) = system.get(&format!("/v1/orders?status={status}&as_placed=true")).await.unwrap();
        assert!(code == 200 && placed["data"].as_array().unwrap().iter().all(|order| order.get("status").is_none()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_order_has_become_is_the_same_in_the_end_in_any_order_of_arrival_and_with_any_process_killed() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let system = System::start(3, Durability::Fast, &[]).await.unwrap();
    let sent = send(&system, &mut random, 300).await;
    let events: usize = sent.iter().map(|order| order.events.len()).sum();
    system.wait_for_orders(300).await.unwrap();
    system.wait_for("select count(*) from order_events", events as i64).await.unwrap();
    system.wait_until_settled().await.unwrap();
    assert_eq!(system.sum("select count(*) from order_awaited").await.unwrap(), 0);
    assert_eq!(system.sum("select count(*) from dead_letter").await.unwrap(), 0);

    let all = list(&system, "/v1/orders?limit=1000").await;
    for order in &sent {
        let Sent { customer, order_id, seller, .. } = order;
        let whole = order.status(&[("A", 2), ("B", 1)]);
        let of_customer = list(&system, &format!("/v1/customers/{customer}/orders?limit=1000")).await;
        let of_seller = list(&system, &format!("/v1/sellers/{seller}/orders?limit=1000")).await;
        let (_, alone) = system.get(&format!("/v1/orders/{order_id}")).await.unwrap();
        let part = order.status(order.parts()[0].1);
        for (what, found, (status, status_at)) in [
            ("all", &all[order_id], &whole),
            ("customer", &of_customer[order_id], &whole),
            ("seller", &of_seller[order_id], &part),
            ("alone", &alone, &whole),
        ] {
            let told = (&found["status"], &found["status_at"]);
            assert_eq!(told, (&json!(status), &json!(in_full(status_at))), "{what}: {found} {:?}", order.events);
            if what != "seller" {
                assert_eq!(found.get("paid").cloned(), order.paid().map(Value::from), "{what}: {found}");
            }
        }
        let (_, timeline) = system.get(&format!("/v1/customers/{customer}/orders/{order_id}/events")).await.unwrap();
        let mut expected = order.events.clone();
        for event in &mut expected {
            event["at"] = in_full(event["at"].as_str().unwrap()).into();
        }
        let told = timeline["data"].as_array().unwrap();
        assert!(told.is_sorted_by_key(|event| event["at"].as_str().unwrap()), "{timeline}");
        let mut told = told.clone();
        let id = |event: &Value| event["event_id"].as_str().unwrap().to_owned();
        expected.sort_by_key(id);
        told.sort_by_key(id);
        assert_eq!(told, expected);
        let placed = format!("/v1/orders/{order_id}?as_placed=true");
        assert_eq!(system.get(&placed).await.unwrap().1.get("status"), None);
    }
    lists_by_status(&system, &sent).await;
    let run = system.forebay(&["verify", "--full", "--json"], b"").await.unwrap().ok().unwrap();
    let report = run.json().unwrap();
    assert_eq!((&report["differences"], &report["explained"]), (&json!(0), &json!(0)), "{report}");

    // The same event with another content: the first stays.
    let order = sent.iter().find(|order| !order.events.is_empty()).unwrap();
    let mut other = order.events[0].clone();
    other["customer_id"] = order.customer.clone().into();
    other["by"] = "somebody else".into();
    let (status, answer) = system.post_to(&format!("/v1/orders/{}/events", order.order_id), &other).await.unwrap();
    assert_eq!(status, 202, "{answer}");
    let receipt = answer["receipt"].as_str().unwrap();
    let (_, fate) = system.get(&format!("/v1/receipts/{receipt}?wait_ms=20000")).await.unwrap();
    assert_eq!((&fate["state"], &fate["dead"][0]["reason"]), (&json!("stored"), &json!("conflict")), "{fate}");

    // A status that somebody has changed is named, of an order and of what a seller sees.
    for table in ["orders", "order_views"] {
        let one =
            format!("(ordered_at, order_id) in (select ordered_at, order_id from {table} where status = 0 limit 1)");
        system.stack.sql(0, &format!("update {table} set status = 5 where {one}")).await.unwrap();
    }
    let run = system.forebay(&["verify", "--full", "--shard", "0"], b"").await.unwrap();
    let named = run.stdout.matches("is noted as cancelled, and by what happened to it is placed").count();
    assert!(run.code == Some(1) && named >= 2, "{run:?}");
    system.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cached_answer_is_not_served_once_something_has_happened() {
    let system = System::start(3, Durability::Fast, &[]).await.unwrap();
    let items = json!([{"sku": "A", "quantity": 2, "price": 100, "seller_id": "S1"},
        {"sku": "B", "quantity": 1, "price": 50, "seller_id": "S2"}]);
    let order = json!({"customer_id": "C1", "timestamp": "2025-06-30T12:00:00Z", "items": items});
    let (_, answer) = system.post(&order).await.unwrap();
    let order_id = answer["order_id"].as_str().unwrap().to_owned();
    let mut receipt = answer["receipt"].as_str().unwrap().to_owned();
    let paths = [
        format!("/v1/orders/{order_id}"),
        format!("/v1/customers/C1/orders/{order_id}"),
        format!("/v1/orders/{order_id}/events"),
        "/v1/customers/C1/orders".to_owned(),
        "/v1/sellers/S1/orders".to_owned(),
        "/v1/orders?from=2025-06-30T00:00:00Z&to=2025-07-01T00:00:00Z".to_owned(),
    ];
    for (number, kind) in ["placed", "confirmed", "packed", "shipped"].into_iter().enumerate() {
        if number > 0 {
            let event =
                json!({"event_id": format!("E{number}"), "kind": kind, "at": format!("2025-07-0{number}T00:00:00Z")});
            let (status, answer) = system.post_to(&format!("/v1/orders/{order_id}/events"), &event).await.unwrap();
            assert_eq!(status, 202, "{answer}");
            receipt = answer["receipt"].as_str().unwrap().to_owned();
        }
        for path in &paths {
            let separator = if path.contains('?') { '&' } else { '?' };
            let (status, found) = system.get(&format!("{path}{separator}after={receipt}&wait_ms=20000")).await.unwrap();
            assert_eq!(status, 200, "{path}: {found}");
            // Once more, as everybody asks: from the cache, where it may answer.
            let (_, cached) = system.get(path).await.unwrap();
            for answer in [found, cached] {
                let text = answer.to_string();
                let is_there = if path.ends_with("/events") {
                    answer["data"].as_array().unwrap().len() == number
                } else {
                    text.contains(&format!("\"status\":\"{kind}\""))
                };
                assert!(is_there, "{path} after {kind}: {text}");
            }
        }
    }
    // Each event has added what it says, and nothing was made once more.
    let again = "select coalesce(sum(rows_duplicate), 0)::int8 from lane_tally where stream = 'derived'";
    assert_eq!(system.sum(again).await.unwrap(), 0);
    // A seller comes in, and another goes out.
    let items = json!([{"sku": "A", "quantity": 1, "price": 90, "seller_id": "S1"}, {"sku": "C", "quantity": 1, "price": 7, "seller_id": "S3"}]);
    let amended = json!({"event_id": "E9", "kind": "amended", "at": "2025-07-09T00:00:00Z", "items": items, "set": {"gift": true}});
    let (_, answer) = system.post_to(&format!("/v1/orders/{order_id}/events"), &amended).await.unwrap();
    let after = format!("after={}&wait_ms=20000", answer["receipt"].as_str().unwrap());
    let (_, order) = system.get(&format!("/v1/orders/{order_id}?{after}")).await.unwrap();
    assert_eq!((&order["total"], &order["gift"], &order["items"]), (&json!(97), &json!(true), &items), "{order}");
    let (_, placed) = system.get(&format!("/v1/orders/{order_id}?as_placed=true")).await.unwrap();
    assert_eq!((&placed["total"], placed.get("gift")), (&json!(250), None), "{placed}");
    for (seller, subtotal, withdrawn) in [("S1", 90, None), ("S2", 0, Some(true)), ("S3", 7, None)] {
        let (_, page) = system.get(&format!("/v1/sellers/{seller}/orders?{after}")).await.unwrap();
        let order = &page["data"][0];
        assert_eq!((&order["subtotal"], &order["status"]), (&json!(subtotal), &json!("shipped")), "{seller}: {page}");
        assert_eq!(order.get("withdrawn").and_then(Value::as_bool), withdrawn, "{seller}: {page}");
    }
    system.stop().await.unwrap();
}

/// Everything that is stored, as the feed gives it from that position on, until there are `wanted` facts: each fact's name, and the
/// position behind.
async fn follow(system: &System, since: &str, wanted: usize) -> (Vec<String>, String) {
    let (mut told, mut next) = (Vec::new(), since.to_owned());
    while told.len() < wanted {
        let (status, page) = system.get(&format!("/v1/changes?limit=97&wait_ms=20000&since={next}")).await.unwrap();
        assert_eq!(status, 200, "{page}");
        let facts = page["data"].as_array().unwrap();
        assert!(!facts.is_empty(), "after {} facts nothing came: {page}", told.len());
        told.extend(facts.iter().map(|fact| match &fact["type"] {
            kind if kind == "order" => fact["order"]["order_id"].to_string(),
            _ => format!("{} {}", fact["event"]["order_id"], fact["event"]["event_id"]),
        }));
        page["next"].as_str().unwrap().clone_into(&mut next);
    }
    (told, next)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_is_given_each_stored_fact_once_whatever_is_killed() {
    let system = System::start(3, Durability::Real, &[]).await.unwrap();
    let generate = ["generate", "--orders", "20000", "--seed", "3"];
    let orders = system.forebay(&generate, b"").await.unwrap().ok().unwrap().stdout.into_bytes();
    let (status, empty) = system.get("/v1/changes").await.unwrap();
    assert_eq!((status, &empty["data"], &empty["has_more"]), (200, &json!([]), &json!(false)), "{empty}");
    let replay = async {
        system.replay(&["-"], &orders).await.unwrap();
        // Duplicates and conflicts are stored once: nobody is told of them.
        system.replay(&["-"], &orders).await.unwrap();
    };
    let followed = async {
        let (mut told, mut next) = (Vec::new(), String::new());
        for upto in [2_000, 6_000, 12_000] {
            let since = if next.is_empty() { empty["next"].as_str().unwrap() } else { &next };
            let (more, behind) = follow(&system, since, upto - told.len()).await;
            told.extend(more);
            next = behind;
            let killed = if told.len() < 10_000 { ServiceName::Writer } else { ServiceName::Query };
            system.process(killed).kill().await;
            system.process(killed).restart().await.unwrap();
        }
        let rest = 20_000 - told.len();
        let (more, next) = follow(&system, &next, rest).await;
        told.extend(more);
        (told, next)
    };
    let ((), (mut told, next)) = tokio::join!(replay, followed);
    told.sort();
    let count = told.len();
    told.dedup();
    assert_eq!((told.len(), count), (20_000, 20_000), "each once");
    system.wait_until_settled().await.unwrap();
    let (_, rest) = system.get(&format!("/v1/changes?since={next}")).await.unwrap();
    assert_eq!(rest["data"], json!([]), "{rest}");
    // From now on, and as a stream: what is stored next is told, with the position behind it.
    let (_, now) = system.get("/v1/changes?since=now").await.unwrap();
    let event = json!({"event_id": "E1", "customer_id": "C1", "kind": "note", "at": "2025-07-01T00:00:00Z"});
    let path = format!("/v1/changes?since={}", now["next"].as_str().unwrap());
    let stream = system.begin_export(&path, "application/x-ndjson");
    let (stream, posted) = tokio::join!(stream, system.post_to("/v1/orders/nobody/events", &event));
    assert_eq!(posted.unwrap().0, 202);
    let mut stream = stream.unwrap();
    let mut text = String::new();
    while !text.contains("\"nobody\"") || !text.trim_end().ends_with("\"}") {
        let chunk = stream.chunk().await.unwrap().expect("it does not end");
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert!(last["next"].is_string(), "{text}");
    system.stop().await.unwrap();
}
