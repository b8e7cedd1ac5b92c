//! Orders and what happens to them, and what every list must say of that: a model that sorts everything first.

use std::collections::BTreeSet;
use std::ops::Range;

use forebay_model::{EventKind, Timestamp};
use forebay_testkit::eventually;
use forebay_testkit::service::Answer;
use forebay_testkit::totals::{sum_of, totals_of};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Value, json};

use crate::replaying::system::System;

const HOUR_US: i64 = 3_600_000_000;
/// 2025-05-30T20:00:00Z, over the end of a month.
const START_US: i64 = 1_748_635_200_000_000;
const HOURS: i64 = 72;
const STATES: [&str; 6] = ["confirmed", "packed", "shipped", "delivered", "cancelled", "returned"];

/// Orders and events of them, as they are sent.
pub(crate) struct History {
    orders: Vec<Sold>,
}

struct Sold {
    order: Value,
    events: Vec<Value>,
}

/// Whose orders.
#[derive(Clone, Debug)]
pub(crate) enum List {
    All,
    Customer(String),
    Seller(String),
    Warehouse(String),
}

impl List {
    pub(crate) fn every() -> Vec<Self> {
        let some = |count: usize, list: fn(String) -> Self, letter: &'static str| {
            (0..count).map(move |number| list(format!("{letter}{number}")))
        };
        let customers = some(5, Self::Customer, "C");
        [Self::All]
            .into_iter()
            .chain(customers)
            .chain(some(4, Self::Seller, "S"))
            .chain(some(3, Self::Warehouse, "W"))
            .collect()
    }

    pub(crate) fn path(&self) -> String {
        match self {
            Self::All => "/v1/orders".to_owned(),
            Self::Customer(customer) => format!("/v1/customers/{customer}/orders"),
            Self::Seller(seller) => format!("/v1/sellers/{seller}/orders"),
            Self::Warehouse(warehouse) => format!("/v1/warehouses/{warehouse}/orders"),
        }
    }

    fn totals(&self) -> String {
        match self {
            Self::All => "/v1/orders/totals".to_owned(),
            _ => self.path().replace("/orders", "/totals"),
        }
    }
}

fn items(random: &mut StdRng, sign: i64) -> Value {
    let item = |random: &mut StdRng| {
        let mut item =
            json!({"sku": "x", "quantity": sign * random.random_range(1..4), "price": random.random_range(0..1000)});
        if random.random_bool(0.9) {
            item["seller_id"] = format!("S{}", random.random_range(0..4)).into();
        }
        item
    };
    (0..random.random_range(1..4)).map(|_| item(random)).collect()
}

fn warehouse(random: &mut StdRng) -> Value {
    if random.random_bool(0.2) { Value::Null } else { format!("W{}", random.random_range(0..3)).into() }
}

fn event(random: &mut StdRng, number: usize, sign: i64) -> Value {
    let at = format!("2025-07-01T00:00:0{}Z", random.random_range(0..6));
    let mut event = json!({"event_id": format!("E{number}"), "kind": "amended", "at": at});
    match random.random_range(0..10) {
        0..4 => event["items"] = items(random, sign),
        4..6 => event["set"] = json!({"warehouse_id": warehouse(random)}),
        6 => {
            event["items"] = items(random, sign);
            event["set"] = json!({"warehouse_id": warehouse(random), "gift": true});
        }
        7 => event["kind"] = "note".into(),
        _ => event["kind"] = STATES[random.random_range(0..STATES.len())].into(),
    }
    event
}

impl Sold {
    fn by_chance(random: &mut StdRng, number: usize) -> Self {
        let us = [0, HOUR_US - 1, random.random_range(0..HOUR_US)][random.random_range(0..3)];
        let at = Timestamp::from_unix_us(START_US + random.random_range(0..HOURS) * HOUR_US + us).to_string();
        let (kind, sign) = if random.random_bool(0.2) { ("return", -1) } else { ("sale", 1) };
        let currency = ["EUR", "GBP"][random.random_range(0..2)];
        let order = json!({
            "order_id": format!("T{number}"), "customer_id": format!("C{}", random.random_range(0..5)), "timestamp": at, "kind": kind,
            "currency": currency, "items": items(random, sign), "warehouse_id": warehouse(random)
        });
        let events = (0..random.random_range(0..6)).map(|number| event(random, number, sign)).collect();
        Self { order, events }
    }

    fn at(&self) -> i64 {
        Timestamp::parse(self.order["timestamp"].as_str().unwrap()).unwrap().unix_us()
    }

    /// What has happened, by its own time; of one instant states come last.
    fn sorted(&self) -> Vec<&Value> {
        let mut sorted: Vec<_> = self.events.iter().collect();
        let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
        let state = |event: &Value| text(event, "kind").parse::<EventKind>().unwrap().state();
        sorted.sort_by_key(|event| (text(event, "at"), state(event), text(event, "event_id")));
        sorted
    }

    /// The order's fields at any time: as it was placed, and as each amendment leaves it.
    fn versions(&self) -> Vec<(Value, Value)> {
        let mut versions = vec![(self.order["items"].clone(), self.order["warehouse_id"].clone())];
        for event in self.sorted().into_iter().filter(|event| event["kind"] == "amended") {
            let (items, warehouse) = versions.last().unwrap().clone();
            let set = event["set"].get("warehouse_id").cloned();
            versions.push((event.get("items").cloned().unwrap_or(items), set.unwrap_or(warehouse)));
        }
        versions
    }

    /// The items that a list has of one of its versions.
    fn items_of(&self, list: &List, (items, warehouse): &(Value, Value)) -> Vec<Value> {
        let items = items.as_array().unwrap();
        let has = |item: &Value| match list {
            List::All => true,
            List::Customer(customer) => self.order["customer_id"] == **customer,
            List::Seller(seller) => item["seller_id"] == **seller,
            List::Warehouse(key) => *warehouse == **key,
        };
        items.iter().filter(|item| has(item)).cloned().collect()
    }

    /// The items that a list has of it, as they are now; nothing where it never had it.
    fn items(&self, list: &List) -> Option<Vec<Value>> {
        let of: Vec<_> = self.versions().iter().map(|version| self.items_of(list, version)).collect();
        of.iter().any(|items| !items.is_empty()).then(|| of.last().unwrap().clone())
    }

    /// What a list is told of: up to the amendment, if there is one, from which it has none of it any more.
    fn told(&self, list: &List) -> Vec<&Value> {
        let sorted = self.sorted();
        let versions = self.versions();
        let has = |version| !self.items_of(list, version).is_empty();
        let departure = versions.iter().rposition(has).map_or(0, |last| last + 1);
        let amendments = sorted.iter().enumerate().filter(|(_, event)| event["kind"] == "amended");
        // The first version is what was placed.
        let end = amendments.map(|(place, _)| place + 1).nth(departure.wrapping_sub(1));
        sorted[..end.unwrap_or(sorted.len())].to_vec()
    }

    /// What it has come to for a list that has these items.
    fn status(&self, list: &List, items: &[Value]) -> String {
        let has_any = items.iter().any(|item| item["quantity"].as_i64().unwrap() > 0);
        let is_state = |event: &&&Value| {
            STATES.contains(&event["kind"].as_str().unwrap()) && (event["kind"] != "returned" || has_any)
        };
        self.told(list).iter().rfind(is_state).map_or("placed", |event| event["kind"].as_str().unwrap()).to_owned()
    }
}

impl History {
    pub(crate) fn by_chance(random: &mut StdRng, orders: usize) -> Self {
        Self { orders: (0..orders).map(|number| Sold::by_chance(random, number)).collect() }
    }

    /// Everything that is to be sent, each with its path, in any order, and a part of it twice.
    pub(crate) fn posts(&self, random: &mut StdRng) -> Vec<(&'static str, Value)> {
        let mut posts = Vec::new();
        for Sold { order, events } in &self.orders {
            posts.push(("/v1/orders/batch", order.clone()));
            for event in events {
                let mut event = event.clone();
                for name in ["order_id", "customer_id"] {
                    event[name] = order[name].clone();
                }
                posts.push(("/v1/events/batch", event));
            }
        }
        let again: Vec<_> = posts.iter().filter(|_| random.random_bool(0.2)).cloned().collect();
        posts.extend(again);
        posts.shuffle(random);
        posts
    }

    fn totals(&self, list: &List, range: &Range<i64>, by: Option<&str>) -> Value {
        let within = self.orders.iter().filter(|sold| range.contains(&sold.at()));
        let seen = within.map(|sold| (&sold.order, sold.items(list).unwrap_or_default()));
        totals_of(seen.filter(|(_, items)| !items.is_empty()).map(|(order, items)| (order, sum_of(&items))), by)
    }

    fn ids(&self, list: &List, status: &str) -> BTreeSet<String> {
        let is_of = |sold: &&Sold| sold.items(list).is_some_and(|items| sold.status(list, &items) == status);
        self.orders.iter().filter(is_of).map(|sold| sold.order["order_id"].as_str().unwrap().to_owned()).collect()
    }

    /// Every list tells what the model says: totals of any time, and the orders of each status.
    pub(crate) async fn check(&self, system: &System, random: &mut StdRng) {
        for list in List::every() {
            for by in [None, Some("hour"), Some("day"), Some("month")] {
                let mut edge = || {
                    let us = [0, 1, random.random_range(0..HOUR_US)][random.random_range(0..3)];
                    START_US + random.random_range(0..=HOURS) * HOUR_US + us
                };
                let (a, b) = (edge(), edge());
                for range in [a.min(b)..a.max(b) + 1, START_US..START_US + HOURS * HOUR_US] {
                    let [from, to] = [range.start, range.end].map(Timestamp::from_unix_us);
                    let by_text = by.map(|by| format!("&by={by}")).unwrap_or_default();
                    let asked = format!("{}?from={from}&to={to}{by_text}", list.totals());
                    told(system, &asked, self.totals(&list, &range, by), |answer| answer).await;
                }
            }
            for status in ["placed"].into_iter().chain(STATES) {
                let asked = format!("{}?status={status}&limit=1000", list.path());
                told(system, &asked, json!(self.ids(&list, status)), |page| ids(&page)).await;
            }
        }
    }
}

fn ids(page: &Value) -> Value {
    let ids = page["data"].as_array().unwrap().iter().map(|order| order["order_id"].as_str().unwrap());
    json!(ids.collect::<BTreeSet<_>>())
}

/// Until then a cached answer may be as old as a notice.
async fn told(system: &System, path: &str, expected: Value, of: impl Fn(Value) -> Value) {
    eventually(&format!("{path} is {expected}"), async || {
        let answer = of(system.query.get(path).await.ok());
        (answer == expected, answer)
    })
    .await;
}

/// Sends what is to be sent, some of it together.
pub(crate) async fn send(system: &System, posts: &[(&'static str, Value)]) {
    for posts in posts.chunks(40) {
        for path in ["/v1/orders/batch", "/v1/events/batch"] {
            let facts: Vec<_> = posts.iter().filter(|post| post.0 == path).map(|post| post.1.clone()).collect();
            if !facts.is_empty() {
                let answer = Answer::of(system.ingest.post(path, "application/json", json!(facts).to_string())).await;
                assert!(answer.status == 202 && answer.body["rejected"] == 0, "{}", answer.body);
            }
        }
    }
}
