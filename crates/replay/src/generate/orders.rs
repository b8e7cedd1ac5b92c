//! Makes orders, one after the other, as lines of JSON.

use super::clock::Clock;
use super::line::Line;
use super::random::{Random, mix};
use super::skew::Skew;
use super::{Lines, Recipe};
use crate::fingerprint::Fingerprint;

/// How many products the imagined shops have together.
const PRODUCTS: u32 = 5_000;
/// How unevenly products sell.
const PRODUCT_SKEW: f64 = 0.6;
/// How many sales are remembered, for what comes back of them.
const SOLD_MAX: usize = 1000;
/// Room for any one order.
const ORDER_BYTES: usize = 512;

/// An order that was made.
#[derive(Clone, Debug)]
pub(super) struct Made {
    /// Which it is, counted from 1.
    pub(super) number: u64,
    pub(super) customer: u32,
    pub(super) at_ms: i64,
    pub(super) items: Vec<Item>,
    /// The sale that comes back by it.
    pub(super) back_of: Option<Box<Made>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) product: u32,
    pub(super) quantity: u64,
}

/// Makes the orders of a recipe, in the order of their times.
#[derive(Clone, Debug)]
pub struct Orders {
    pub(super) recipe: Recipe,
    pub(super) id_prefix: String,
    made: u64,
    random: Random,
    customers: Skew,
    products: Skew,
    clock: Clock,
    /// Sales of which nothing has come back yet.
    sold: Vec<Made>,
}

impl Orders {
    /// Starts with the first order.
    pub fn new(recipe: Recipe) -> Self {
        Self {
            made: 0,
            random: Random::new(mix(recipe.seed)),
            customers: Skew::new(recipe.customers, recipe.skew),
            products: Skew::new(PRODUCTS, PRODUCT_SKEW),
            clock: Clock::default(),
            id_prefix: id_prefix(&recipe),
            sold: Vec::new(),
            recipe,
        }
    }

    /// Makes the next order; and gives with it a sale of which nothing will come back any more, where it has come to that.
    pub(super) fn make(&mut self) -> Option<(Made, Option<Made>)> {
        if self.made == self.recipe.orders {
            return None;
        }
        let back_of = self.draw_return();
        let customer = back_of.as_ref().map_or_else(|| self.customers.draw(&mut self.random), |sale| sale.customer);
        let at_ms = self.next_time_ms();
        let items = back_of.as_ref().map_or_else(|| self.draw_items(), |sale| sale.items.clone());
        self.made += 1;
        let made = Made { number: self.made, customer, at_ms, items, back_of: back_of.map(Box::new) };
        let settled = self.remember(&made);
        Some((made, settled))
    }

    /// A sale of which nothing has come back when all orders are made; each is given once.
    pub(super) fn next_unsettled(&mut self) -> Option<Made> {
        self.sold.pop()
    }

    /// What comes back, if anything does now: something that was sold lately.
    fn draw_return(&mut self) -> Option<Made> {
        if self.recipe.returns == 0.0 || self.sold.is_empty() {
            return None;
        }
        let comes_back = f64::from(self.random.below(1_000_000)) < self.recipe.returns * 1e6;
        comes_back.then(|| {
            let place = self.random.below(self.sold.len() as u32);
            self.sold.swap_remove(place as usize)
        })
    }

    /// Remembers a sale, and gives the one that it takes the place of.
    fn remember(&mut self, made: &Made) -> Option<Made> {
        if made.back_of.is_some() || self.recipe.returns == 0.0 {
            return None;
        }
        if self.sold.len() < SOLD_MAX {
            self.sold.push(made.clone());
            return None;
        }
        let place = self.random.below(SOLD_MAX as u32);
        Some(std::mem::replace(&mut self.sold[place as usize], made.clone()))
    }

    fn append(&mut self, made: &Made, out: &mut Vec<u8>) {
        out.reserve(ORDER_BYTES);
        let mut line = Line(out);
        line.text("{");
        if self.recipe.with_ids {
            line.text("\"order_id\":\"");
            append_order_id(&mut line, &self.id_prefix, made.number);
            line.text("\",");
        }
        line.text("\"customer_id\":\"CUST").number(made.customer.into(), 5).text("\",\"timestamp\":\"");
        line.time(&mut self.clock, made.at_ms).text("\",\"currency\":\"").text(currency(made.customer));
        let is_sale = made.back_of.is_none();
        line.text(if is_sale { "\",\"items\":[" } else { "\",\"kind\":\"return\",\"items\":[" });
        for (place, item) in made.items.iter().enumerate() {
            line.text(if place > 0 { "," } else { "" });
            append_item(&mut line, &self.recipe, *item, is_sale);
        }
        line.text("]}\n");
    }

    fn draw_items(&mut self) -> Vec<Item> {
        let Self { random, products, .. } = self;
        let count = item_count(random);
        (0..count).map(|_| Item { product: products.draw(random), quantity: quantity(random) }).collect()
    }

    /// Each order lies somewhere in its own slice of the time, so that times only grow.
    fn next_time_ms(&mut self) -> i64 {
        let slice = (u128::from(self.made) << 32) | u128::from(self.random.next_u32());
        let passed = slice * u128::from(self.recipe.span_ms) / (u128::from(self.recipe.orders) << 32);
        self.recipe.from.unix_ms().saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    }
}

impl Lines for Orders {
    fn append_next(&mut self, out: &mut Vec<u8>) -> bool {
        let Some((made, _)) = self.make() else { return false };
        self.append(&made, out);
        true
    }
}

impl Item {
    /// What all of its pieces cost.
    pub(super) fn total(&self) -> u64 {
        self.quantity * price(self.product)
    }
}

pub(super) fn append_order_id(line: &mut Line<'_>, prefix: &str, number: u64) {
    line.text(prefix).number(number, 7);
}

/// An item as a sale has it, or with a quantity below zero.
pub(super) fn append_item(line: &mut Line<'_>, recipe: &Recipe, item: Item, is_sale: bool) {
    let Item { product, quantity } = item;
    line.text("{\"sku\":\"SKU").number(product.into(), 4);
    line.text(if is_sale { "\",\"quantity\":" } else { "\",\"quantity\":-" }).number(quantity, 1);
    line.text(",\"price\":").number(price(product), 1);
    line.text(",\"seller_id\":\"S").number((traits(product) >> 32) % u64::from(recipe.sellers), 1).text("\"}");
}

fn traits(product: u32) -> u64 {
    mix(u64::from(product) + 1)
}

fn price(product: u32) -> u64 {
    traits(product) % 200 * 100 + 99
}

/// Most orders are of one item.
fn item_count(random: &mut Random) -> usize {
    match random.below(100) {
        0..60 => 1,
        60..88 => 2,
        _ => 3,
    }
}

fn quantity(random: &mut Random) -> u64 {
    match random.below(100) {
        0..75 => 1,
        75..92 => 2,
        _ => 3 + u64::from(random.below(8)),
    }
}

fn currency(customer: u32) -> &'static str {
    match mix(u64::from(customer)) % 10 {
        0..7 => "EUR",
        7..9 => "GBP",
        _ => "USD",
    }
}

/// Orders of different recipes must not share ids: they would count as conflicts. So the ids carry the recipe's hash.
fn id_prefix(recipe: &Recipe) -> String {
    let Recipe { orders, customers, sellers, skew, seed, with_ids: _, from, span_ms, returns } = recipe;
    let mut hash = Fingerprint::default();
    for part in [*orders, u64::from(*customers), u64::from(*sellers), skew.to_bits(), *seed, *span_ms] {
        hash = hash.of(&part.to_le_bytes());
    }
    if *returns > 0.0 {
        hash = hash.of(&returns.to_bits().to_le_bytes());
    }
    format!("ORD{:06x}-", mix(hash.of(&from.unix_us().to_le_bytes()).get()) & 0xff_ffff)
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;

    use forebay_model::{Currency, OrderKind, OrderParser, Timestamp, ViewSet};

    use super::*;

    pub(in crate::generate) fn recipe(seed: u64) -> Recipe {
        Recipe {
            orders: 2_000,
            customers: 300,
            sellers: 20,
            skew: 0.8,
            seed,
            with_ids: true,
            from: Timestamp::parse("2025-06-01T00:00:00Z").unwrap(),
            span_ms: 30 * 86_400_000,
            returns: 0.0,
        }
    }

    pub(in crate::generate) fn make(recipe: Recipe) -> Vec<u8> {
        let mut out = Vec::new();
        let mut orders = Orders::new(recipe);
        while orders.append_next(&mut out) {}
        out
    }

    #[test]
    fn the_same_seed_makes_the_same_bytes() {
        assert_eq!(make(recipe(1)), make(recipe(1)));
        assert_ne!(make(recipe(1)), make(recipe(2)));
        let first = make(recipe(1)).split(|&b| b == b'\n').next().map(<[u8]>::to_vec).unwrap();
        // A change of this line changes what a seed means for everybody: ids that stood for one order stand for another.
        let pinned = r#"{"order_id":"ORDd8d4fb-0000001","customer_id":"CUST00117","timestamp":"2025-06-01T00:08:02.621Z","currency":"EUR","items":[{"sku":"SKU4463","quantity":1,"price":899,"seller_id":"S11"}]}"#;
        assert_eq!(String::from_utf8(first).unwrap(), pinned);
    }

    #[test]
    fn every_order_is_valid_in_time_order_and_about_200_bytes() {
        let bytes = make(recipe(5));
        let parser = OrderParser::new("seller=items[].seller_id".parse::<ViewSet>().unwrap(), Currency::DEFAULT, 0);
        let now = Timestamp::parse("2025-07-01T00:00:00Z").unwrap();
        let (mut last, mut ids, mut customers) = (None, BTreeSet::new(), BTreeSet::new());
        for line in bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
            let order = parser.parse(line, now).unwrap();
            assert!(order.timestamp >= last && order.items.contains("\"seller_id\":\"S"));
            last = order.timestamp;
            assert!(ids.insert(order.order_id.unwrap()));
            customers.insert(order.customer_id);
        }
        assert_eq!(ids.len(), 2_000);
        assert!(customers.len() > 200, "{}", customers.len());
        assert!((180..240).contains(&(bytes.len() / 2_000)), "{}", bytes.len() / 2_000);
    }

    #[test]
    fn a_share_comes_back_of_what_was_sold_before() {
        let bytes = make(Recipe { returns: 0.2, ..recipe(1) });
        let parser = OrderParser::new(ViewSet::default(), Currency::DEFAULT, 0);
        let now = Timestamp::parse("2025-07-01T00:00:00Z").unwrap();
        let (mut sold, mut returned) = (BTreeSet::new(), 0);
        for line in bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
            let order = parser.parse(line, now).unwrap();
            let items = order.items.replace("\"quantity\":-", "\"quantity\":");
            let what = (order.customer_id.to_string(), order.currency, items);
            if order.kind == OrderKind::Sale {
                sold.insert(what);
            } else {
                assert!(sold.contains(&what), "{what:?} was not sold");
                returned += 1;
            }
        }
        assert!((340..460).contains(&returned), "{returned}");
    }

    #[test]
    fn without_ids_the_orders_are_the_same_otherwise() {
        let bare = String::from_utf8(make(Recipe { with_ids: false, ..recipe(1) })).unwrap();
        let full = String::from_utf8(make(recipe(1))).unwrap();
        for (bare, full) in bare.lines().zip(full.lines()) {
            let (_, rest) = full.split_once(",\"customer_id\"").unwrap();
            assert_eq!(bare, format!("{{\"customer_id\"{rest}"));
        }
    }

    #[test]
    fn ids_of_different_recipes_differ() {
        let prefixes: BTreeSet<String> = [
            recipe(1),
            recipe(2),
            Recipe { orders: 2_001, ..recipe(1) },
            Recipe { customers: 301, ..recipe(1) },
            Recipe { skew: 0.9, ..recipe(1) },
            Recipe { span_ms: 1, ..recipe(1) },
            Recipe { returns: 0.1, ..recipe(1) },
        ]
        .iter()
        .map(id_prefix)
        .collect();
        assert_eq!(prefixes.len(), 7);
    }
}
