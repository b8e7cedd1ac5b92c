//! Makes orders, one after the other, as lines of JSON.

use forebay_model::Timestamp;

use super::clock::Clock;
use super::random::{Random, mix};
use super::skew::Skew;
use crate::fingerprint::Fingerprint;

/// How many products the imagined shops have together.
const PRODUCTS: u32 = 5_000;
/// How unevenly products sell.
const PRODUCT_SKEW: f64 = 0.6;
/// How many sales are remembered, for what comes back of them.
const SOLD_MAX: usize = 1000;
/// Room for any one order.
const ORDER_BYTES: usize = 512;

/// Which orders are made.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// How many orders.
    pub orders: u64,
    /// How many customers order; not 0.
    pub customers: u32,
    /// How many sellers sell; not 0.
    pub sellers: u32,
    /// How unevenly customers order: 0 is evenly, 1 is Zipf's law.
    pub skew: f64,
    /// Another seed makes other orders.
    pub seed: u64,
    /// Whether orders carry an id.
    pub with_ids: bool,
    /// The time from which on orders come.
    pub from: Timestamp,
    /// Over how many milliseconds they are spread; not 0.
    pub span_ms: u64,
    /// Which share of the orders are returns, from 0 to below 1: each of something that was sold lately.
    pub returns: f64,
}

/// An order whose goods may come back.
#[derive(Clone, Debug)]
struct Sold {
    customer: u32,
    items: Vec<Item>,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    product: u32,
    quantity: u64,
}

/// Makes the orders of a recipe, in the order of their times.
#[derive(Clone, Debug)]
pub struct Orders {
    recipe: Recipe,
    made: u64,
    random: Random,
    customers: Skew,
    products: Skew,
    clock: Clock,
    id_prefix: String,
    /// Sales of which nothing has come back yet.
    sold: Vec<Sold>,
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

    /// Appends the next order and a line feed. False when all orders are made.
    pub fn append_next(&mut self, out: &mut Vec<u8>) -> bool {
        if self.made == self.recipe.orders {
            return false;
        }
        out.reserve(ORDER_BYTES);
        let mut line = Line(out);
        let back = self.draw_return();
        let customer = back.as_ref().map_or_else(|| self.customers.draw(&mut self.random), |sold| sold.customer);
        self.append_head(&mut line, customer, back.is_some());
        let is_sale = back.is_none();
        let sold = back.unwrap_or_else(|| Sold { customer, items: self.draw_items() });
        for (place, item) in sold.items.iter().enumerate() {
            line.text(if place > 0 { "," } else { "" });
            self.append_item(&mut line, *item, is_sale);
        }
        line.text("]}\n");
        if is_sale && self.recipe.returns > 0.0 {
            self.remember(sold);
        }
        self.made += 1;
        true
    }

    /// What comes back, if anything does now: something that was sold lately.
    fn draw_return(&mut self) -> Option<Sold> {
        if self.recipe.returns == 0.0 || self.sold.is_empty() {
            return None;
        }
        let comes_back = f64::from(self.random.below(1_000_000)) < self.recipe.returns * 1e6;
        comes_back.then(|| {
            let place = self.random.below(self.sold.len() as u32);
            self.sold.swap_remove(place as usize)
        })
    }

    fn remember(&mut self, sold: Sold) {
        if self.sold.len() < SOLD_MAX {
            self.sold.push(sold);
        } else {
            let place = self.random.below(SOLD_MAX as u32);
            self.sold[place as usize] = sold;
        }
    }

    /// Everything up to the first item.
    fn append_head(&mut self, line: &mut Line<'_>, customer: u32, is_return: bool) {
        line.text("{");
        if self.recipe.with_ids {
            line.text("\"order_id\":\"").text(&self.id_prefix).number(self.made + 1, 7).text("\",");
        }
        line.text("\"customer_id\":\"CUST").number(customer.into(), 5).text("\",\"timestamp\":\"");
        let at_ms = self.next_time_ms();
        self.clock.append(line.0, at_ms);
        line.text("\",\"currency\":\"").text(currency(customer));
        line.text(if is_return { "\",\"kind\":\"return\",\"items\":[" } else { "\",\"items\":[" });
    }

    fn draw_items(&mut self) -> Vec<Item> {
        let Self { random, products, .. } = self;
        let count = item_count(random);
        (0..count).map(|_| Item { product: products.draw(random), quantity: quantity(random) }).collect()
    }

    fn append_item(&self, line: &mut Line<'_>, Item { product, quantity }: Item, is_sale: bool) {
        let traits = mix(u64::from(product) + 1);
        line.text("{\"sku\":\"SKU").number(product.into(), 4);
        line.text(if is_sale { "\",\"quantity\":" } else { "\",\"quantity\":-" }).number(quantity, 1);
        line.text(",\"price\":").number(traits % 200 * 100 + 99, 1);
        line.text(",\"seller_id\":\"S").number((traits >> 32) % u64::from(self.recipe.sellers), 1).text("\"}");
    }

    /// Each order lies somewhere in its own slice of the time, so that times only grow.
    fn next_time_ms(&mut self) -> i64 {
        let slice = (u128::from(self.made) << 32) | u128::from(self.random.next_u32());
        let passed = slice * u128::from(self.recipe.span_ms) / (u128::from(self.recipe.orders) << 32);
        self.recipe.from.unix_ms().saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    }
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

/// Appends texts and numbers to a line.
struct Line<'a>(&'a mut Vec<u8>);

impl Line<'_> {
    fn text(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// A number with at least that many digits.
    fn number(&mut self, number: u64, digits_min: usize) -> &mut Self {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(number);
        self.0.extend(std::iter::repeat_n(b'0', digits_min.saturating_sub(digits.len())));
        self.text(digits)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use forebay_model::{Currency, OrderKind, OrderParser, ViewSet};

    use super::*;

    fn recipe(seed: u64) -> Recipe {
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

    fn make(recipe: Recipe) -> Vec<u8> {
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
        // Whoever changes this line changes what a seed means for everybody: ids that stood for one order stand for another.
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
