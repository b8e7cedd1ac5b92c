//! Orders and what happens to them by chance, each made from its number whenever it is asked for: the same for the same seed.
//!
//! One warehouse has nine orders of ten, nearly all of them shipped, and fifty that are still open. Of the others anything may come: states
//! of one instant, goods that come back that were never sold, items of the wrong kind, sellers and warehouses that come in and go out.

use forebay_model::Timestamp;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// 2025-01-01T00:00:00Z; orders are of the year that begins there.
const START_US: i64 = 1_735_689_600_000_000;
const DAYS: i64 = 365;
const HOUR_US: i64 = 3_600_000_000;
const SECOND_US: i64 = 1_000_000;
/// What a customer orders in that year, but for the first one, who has one order in a hundred of all.
const ORDERS_OF_A_CUSTOMER: u64 = 50;
const SELLERS: u32 = 200;
/// The first one is the large one.
const WAREHOUSES: u32 = 6;
/// Orders of the large warehouse that are as they were placed.
const OPEN: u64 = 50;
/// The last of them is in no order.
const SKUS: u32 = 7;
/// The states of an order, in the order in which they follow on each other at one instant.
pub(super) const STATES: [&str; 6] = ["confirmed", "packed", "shipped", "delivered", "cancelled", "returned"];
const CURRENCIES: [&str; 3] = ["EUR", "GBP", "USD"];

/// All orders of a run.
#[derive(Clone, Copy, Debug)]
pub struct History {
    /// Another one makes other orders.
    pub seed: u64,
    /// How many orders.
    pub orders: u64,
}

/// An order as it is placed, and its events in no order.
#[derive(Debug)]
pub(super) struct Sold {
    number: u64,
    pub(super) customer: u32,
    pub(super) at_us: i64,
    pub(super) is_return: bool,
    pub(super) currency: &'static str,
    pub(super) items: Vec<Item>,
    pub(super) warehouse: Option<u32>,
    pub(super) events: Vec<Event>,
}

#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) sku: u32,
    pub(super) quantity: i64,
    price: i64,
    pub(super) seller: Option<u32>,
}

#[derive(Debug)]
pub(super) struct Event {
    /// Less than ten, so that ids are sorted as their numbers are.
    pub(super) number: usize,
    pub(super) kind: &'static str,
    pub(super) at_us: i64,
    /// What came back; or what the order has from then on.
    pub(super) items: Option<Vec<Item>>,
    /// Fields that are set.
    pub(super) gift: Option<u32>,
    #[allow(clippy::option_option, reason = "left as it is, set to none, or to one")]
    pub(super) warehouse: Option<Option<u32>>,
    pub(super) amount: Option<i64>,
}

impl History {
    /// How many customers there are.
    fn customers(&self) -> u32 {
        u32::try_from(self.orders / ORDERS_OF_A_CUSTOMER).unwrap_or(u32::MAX).max(10)
    }

    /// Every order.
    pub(super) fn all(&self) -> impl Iterator<Item = Sold> {
        (0..self.orders).map(|number| self.sold(number))
    }

    /// The order of that id; nothing where there is no such id.
    pub(super) fn find(&self, order_id: &str) -> Option<Sold> {
        let number = order_id.strip_prefix("ORD")?.parse().ok().filter(|number| *number < self.orders)?;
        Some(self.sold(number))
    }

    /// The order of that number.
    pub(super) fn sold(&self, number: u64) -> Sold {
        let mut random = StdRng::seed_from_u64(xxh3_64_with_seed(&number.to_le_bytes(), self.seed));
        let random = &mut random;
        let is_open = number.is_multiple_of((self.orders / OPEN).max(1));
        let customer = if random.random_ratio(1, 100) { 0 } else { random.random_range(1..self.customers()) };
        let us = if random.random_ratio(1, 20) { 0 } else { random.random_range(0..HOUR_US) };
        let is_return = random.random_ratio(1, 10);
        let is_large = is_open || random.random_ratio(9, 10);
        let warehouse = if is_large { Some(0) } else { other_warehouse(random) };
        let mut sold = Sold {
            number,
            customer,
            at_us: START_US + random.random_range(0..DAYS * 24) * HOUR_US + us,
            is_return,
            currency: CURRENCIES.choose(random).copied().unwrap_or_default(),
            items: items(random, is_return),
            warehouse,
            events: Vec::new(),
        };
        for _ in 0..random.random_range(0..=if is_large { 4 } else { 7 }) {
            let kind = if is_open { quiet_kind(random) } else { kind(random) };
            sold.happen(random, kind, is_large);
        }
        if is_large && !is_open {
            sold.leave(random);
        }
        sold
    }
}

fn other_warehouse(random: &mut StdRng) -> Option<u32> {
    random.random_ratio(4, 5).then(|| random.random_range(1..WAREHOUSES))
}

fn items(random: &mut StdRng, is_return: bool) -> Vec<Item> {
    let sign = if is_return { -1 } else { 1 };
    let item = |random: &mut StdRng| Item {
        sku: random.random_range(0..SKUS - 1),
        quantity: sign * random.random_range(1..4),
        price: random.random_range(0..1000),
        seller: random.random_ratio(9, 10).then(|| random.random_range(0..SELLERS)),
    };
    (0..random.random_range(1..4)).map(|_| item(random)).collect()
}

fn kind(random: &mut StdRng) -> &'static str {
    match random.random_range(0..10) {
        0..3 => STATES[random.random_range(0..5)],
        3..5 => "returned",
        5..8 => "amended",
        _ => quiet_kind(random),
    }
}

/// Of what changes no status.
fn quiet_kind(random: &mut StdRng) -> &'static str {
    ["amended", "paid", "refunded", "note", "x-seen"].choose(random).copied().unwrap_or_default()
}

impl Sold {
    /// Something happens to it within six seconds, often at the same instant as something else.
    fn happen(&mut self, random: &mut StdRng, kind: &'static str, is_large: bool) {
        let mut event = self.event(kind, random.random_range(0..6));
        match kind {
            "returned" if random.random_ratio(3, 4) => {
                let (sku, quantity) = (random.random_range(0..SKUS), random.random_range(1..4));
                event.items = Some(vec![Item { sku, quantity, price: 0, seller: None }]);
            }
            "amended" => match random.random_range(0..10) {
                0..3 => event.gift = Some(random.random_range(0..100)),
                3..6 if !is_large => event.warehouse = Some(other_warehouse(random)),
                _ => {
                    let is_of_wrong_kind = random.random_ratio(1, 10);
                    event.items = Some(items(random, self.is_return != is_of_wrong_kind));
                }
            },
            "paid" | "refunded" => event.amount = Some(random.random_range(0..10_000)),
            _ => {}
        }
        self.events.push(event);
    }

    /// It leaves the large warehouse, and now and then goes to another one afterwards.
    fn leave(&mut self, random: &mut StdRng) {
        let kind = if random.random_ratio(9, 10) { "shipped" } else { STATES[random.random_range(0..5)] };
        self.events.push(self.event(kind, 8));
        if random.random_ratio(1, 20) {
            let moved = Event { warehouse: Some(other_warehouse(random)), ..self.event("amended", 9) };
            self.events.push(moved);
        }
    }

    fn event(&self, kind: &'static str, second: i64) -> Event {
        let (number, at_us) = (self.events.len(), self.at_us + second * SECOND_US);
        Event { number, kind, at_us, items: None, gift: None, warehouse: None, amount: None }
    }

    pub(super) fn order_id(&self) -> String {
        format!("ORD{:07}", self.number)
    }

    pub(super) fn customer_id(&self) -> String {
        format!("C{}", self.customer)
    }

    pub(super) fn kind(&self) -> &'static str {
        if self.is_return { "return" } else { "sale" }
    }

    /// The order, as it is sent.
    pub(super) fn order_json(&self) -> Value {
        let mut order = json!({
            "order_id": self.order_id(), "customer_id": self.customer_id(), "timestamp": time(self.at_us), "kind": self.kind(),
            "currency": self.currency, "items": items_json(&self.items),
        });
        if let Some(warehouse) = self.warehouse {
            order["warehouse_id"] = warehouse_json(Some(warehouse));
        }
        order
    }

    /// One of its events, as it is sent.
    pub(super) fn event_json(&self, place: usize) -> Value {
        let event = &self.events[place];
        let mut json = json!({
            "order_id": self.order_id(), "customer_id": self.customer_id(), "event_id": format!("E{}", event.number),
            "kind": event.kind, "at": time(event.at_us),
        });
        let back = |item: &Item| json!({"sku": sku(item.sku), "quantity": item.quantity});
        if let Some(items) = &event.items {
            let is_back = event.kind == "returned";
            json["items"] = if is_back { items.iter().map(back).collect() } else { items_json(items) };
        }
        let set = event.set();
        if !set.is_empty() {
            json["set"] = set.into();
        }
        if let Some(amount) = event.amount {
            json["amount"] = amount.into();
        }
        json
    }
}

impl Event {
    /// The fields of the order that it sets.
    pub(super) fn set(&self) -> Map<String, Value> {
        let gift = self.gift.map(|gift| ("gift".to_owned(), gift.into()));
        let warehouse = self.warehouse.map(|warehouse| ("warehouse_id".to_owned(), warehouse_json(warehouse)));
        gift.into_iter().chain(warehouse).collect()
    }
}

impl Item {
    pub(super) fn sum(&self) -> i64 {
        self.quantity * self.price
    }

    pub(super) fn json(&self) -> Value {
        let mut json = json!({"sku": sku(self.sku), "quantity": self.quantity, "price": self.price});
        if let Some(seller) = self.seller {
            json["seller_id"] = format!("S{seller}").into();
        }
        json
    }
}

pub(super) fn sku(sku: u32) -> String {
    format!("K{sku}")
}

fn items_json(items: &[Item]) -> Value {
    items.iter().map(Item::json).collect()
}

fn warehouse_json(warehouse: Option<u32>) -> Value {
    warehouse.map(|warehouse| format!("W{warehouse}")).into()
}

/// An instant, as answers have it.
pub(super) fn time(at_us: i64) -> String {
    Timestamp::from_unix_us(at_us).in_full().to_string()
}
