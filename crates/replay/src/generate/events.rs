//! What happened to the orders of a recipe, as lines of JSON: the same for the same recipe, whether the orders are written or not.
//!
//! A sale is confirmed, sometimes amended, paid, and then cancelled or packed, shipped and delivered. What comes back is
//! `returned` when the order of kind `return` is written that says so, and refunded. Nothing is told that would happen behind the
//! recipe's last moment, so the latest orders are still on their way.

use super::clock::Clock;
use super::line::Line;
use super::orders::{Item, Made, Orders, append_item, append_order_id};
use super::random::{Random, mix};
use super::{Lines, Recipe};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Room for the events of any one order.
const EVENTS_BYTES: usize = 4096;
const CARRIERS: [&str; 3] = ["DHL", "GLS", "UPS"];

/// Makes the events of a recipe's orders: those of an order one behind the other, orders about in the order of their times.
#[derive(Clone, Debug)]
pub struct Events {
    orders: Orders,
    clock: Clock,
    /// Nothing is told behind it.
    end_ms: i64,
}

/// What becomes of a sale: milliseconds after it, and further fields.
struct Life {
    /// When it is confirmed, amended (if it is), paid, packed, shipped and delivered; or cancelled instead of packed.
    confirmed: i64,
    amended: i64,
    paid: i64,
    packed: i64,
    shipped: i64,
    delivered: i64,
    amendment: Amendment,
    is_cancelled: bool,
    carrier: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Amendment {
    None,
    Note,
    /// One piece more of the first item.
    OneMore,
}

/// The events of one order.
struct Timeline<'l> {
    line: Line<'l>,
    recipe: &'l Recipe,
    prefix: &'l str,
    sale: &'l Made,
    clock: &'l mut Clock,
    end_ms: i64,
    told: u64,
}

impl Events {
    /// Starts with those of the first order. The recipe must give orders ids.
    pub fn new(recipe: Recipe) -> Self {
        let end_ms = recipe.from.unix_ms().saturating_add(recipe.span_ms.cast_signed());
        Self { orders: Orders::new(recipe), clock: Clock::default(), end_ms }
    }

    fn append(&mut self, sale: &Made, came_back: Option<&Made>, out: &mut Vec<u8>) {
        out.reserve(EVENTS_BYTES);
        let (recipe, prefix) = (&self.orders.recipe, self.orders.id_prefix.as_str());
        let life = Life::of(recipe, sale, came_back);
        let timeline =
            Timeline { line: Line(out), recipe, prefix, sale, clock: &mut self.clock, end_ms: self.end_ms, told: 0 };
        timeline.tell(&life, came_back);
    }
}

impl Lines for Events {
    fn append_next(&mut self, out: &mut Vec<u8>) -> bool {
        let Some((made, settled)) = self.orders.make() else {
            let Some(sale) = self.orders.next_unsettled() else { return false };
            self.append(&sale, None, out);
            return true;
        };
        if let Some(sale) = &made.back_of {
            self.append(sale, Some(&made), out);
        }
        match settled {
            Some(sale) => self.append(&sale, None, out),
            // Nothing comes back at all.
            None if self.orders.recipe.returns == 0.0 => self.append(&made, None, out),
            None => {}
        }
        true
    }
}

impl Life {
    fn of(recipe: &Recipe, sale: &Made, came_back: Option<&Made>) -> Self {
        let mut random = Random::new(mix(recipe.seed) ^ mix(sale.number));
        let mut between = |least: i64, most: i64| least + i64::from(random.below((most - least) as u32));
        let confirmed = between(MINUTE_MS, 30 * MINUTE_MS);
        let amended = confirmed + between(MINUTE_MS, 30 * MINUTE_MS);
        let paid = amended + between(MINUTE_MS, HOUR_MS);
        let packed = paid + between(HOUR_MS, 24 * HOUR_MS);
        let shipped = packed + between(HOUR_MS, 24 * HOUR_MS);
        let delivered = shipped + between(12 * HOUR_MS, 96 * HOUR_MS);
        let amendment = match random.below(100) {
            0..4 => Amendment::Note,
            4..8 => Amendment::OneMore,
            _ => Amendment::None,
        };
        // What comes back has arrived.
        let is_cancelled = random.below(100) < 4 && came_back.is_none();
        let carrier = CARRIERS[random.below(CARRIERS.len() as u32) as usize];
        let life = Self { confirmed, amended, paid, packed, shipped, delivered, amendment, is_cancelled, carrier };
        match came_back {
            Some(back) => life.within(back.at_ms - sale.at_ms),
            None => life,
        }
    }

    /// The same life, faster where it takes longer than that.
    fn within(self, most: i64) -> Self {
        let of = |at: i64| {
            let scaled = i128::from(at) * i128::from(most) / i128::from(self.delivered);
            if self.delivered > most { i64::try_from(scaled).unwrap_or(most) } else { at }
        };
        Self {
            confirmed: of(self.confirmed),
            amended: of(self.amended),
            paid: of(self.paid),
            packed: of(self.packed),
            shipped: of(self.shipped),
            delivered: of(self.delivered),
            ..self
        }
    }
}

impl Timeline<'_> {
    fn tell(mut self, life: &Life, came_back: Option<&Made>) {
        let sale = self.sale;
        let mut items = sale.items.clone();
        self.event("confirmed", life.confirmed, |_| {});
        match life.amendment {
            Amendment::None => {}
            Amendment::Note => self.event("amended", life.amended, |line| {
                line.text(",\"set\":{\"note\":\"leave it with the neighbours\"}");
            }),
            Amendment::OneMore => {
                items[0].quantity += 1;
                self.amend(life.amended, &items);
            }
        }
        let total: u64 = items.iter().map(Item::total).sum();
        self.money("paid", life.paid, total);
        if life.is_cancelled {
            self.event("cancelled", life.packed, |_| {});
            return self.money("refunded", life.packed + HOUR_MS, total);
        }
        self.event("packed", life.packed, |_| {});
        self.event("shipped", life.shipped, |line| {
            line.text(",\"carrier\":\"").text(life.carrier).text("\",\"tracking\":\"").number(mix(sale.number), 20);
            line.text("\"");
        });
        self.event("delivered", life.delivered, |_| {});
        if let Some(back) = came_back {
            let at = back.at_ms - sale.at_ms;
            self.come_back(at, back);
            self.money("refunded", at + HOUR_MS, back.items.iter().map(Item::total).sum());
        }
    }

    /// Tells one event, that long after the sale.
    fn event(&mut self, kind: &str, after_ms: i64, details: impl FnOnce(&mut Line<'_>)) {
        let at_ms = self.sale.at_ms + after_ms;
        if at_ms > self.end_ms {
            return;
        }
        self.told += 1;
        let Self { line, sale, clock, .. } = self;
        line.text("{\"event_id\":\"E").number(self.told, 1).text("\",\"order_id\":\"");
        append_order_id(line, self.prefix, sale.number);
        line.text("\",\"customer_id\":\"CUST").number(sale.customer.into(), 5).text("\",\"kind\":\"").text(kind);
        line.text("\",\"at\":\"").time(clock, at_ms).text("\"");
        details(line);
        line.text("}\n");
    }

    fn amend(&mut self, after_ms: i64, items: &[Item]) {
        let recipe = self.recipe;
        self.event("amended", after_ms, |line| {
            line.text(",\"items\":[");
            for (place, item) in items.iter().enumerate() {
                line.text(if place > 0 { "," } else { "" });
                append_item(line, recipe, *item, true);
            }
            line.text("]");
        });
    }

    fn money(&mut self, kind: &str, after_ms: i64, amount: u64) {
        self.event(kind, after_ms, |line| {
            line.text(",\"amount\":").number(amount, 1);
        });
    }

    fn come_back(&mut self, after_ms: i64, back: &Made) {
        let prefix = self.prefix;
        self.event("returned", after_ms, |line| {
            line.text(",\"return_id\":\"");
            append_order_id(line, prefix, back.number);
            line.text("\",\"items\":[");
            for (place, item) in back.items.iter().enumerate() {
                line.text(if place > 0 { ",{\"sku\":\"SKU" } else { "{\"sku\":\"SKU" }).number(item.product.into(), 4);
                line.text("\",\"quantity\":").number(item.quantity, 1).text("}");
            }
            line.text("]");
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use forebay_model::{EventParser, ViewSet};
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::generate::orders::tests::{make as make_orders, recipe};

    fn make(recipe: Recipe) -> Vec<u8> {
        let (mut events, mut out) = (Events::new(recipe), Vec::new());
        while events.append_next(&mut out) {}
        out
    }

    fn lines(bytes: &[u8]) -> Vec<Value> {
        let lines = bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    fn total(items: &Value) -> i64 {
        let of = |item: &Value| item["quantity"].as_i64().unwrap() * item["price"].as_i64().unwrap();
        items.as_array().unwrap().iter().map(of).sum()
    }

    fn pieces(items: &Value) -> BTreeMap<String, i64> {
        let mut pieces = BTreeMap::new();
        for item in items.as_array().unwrap() {
            *pieces.entry(item["sku"].to_string()).or_default() += item["quantity"].as_i64().unwrap();
        }
        pieces
    }

    /// The events of an order in the order of their ids, which is that of their times.
    fn check_life(order: &Value, events: &[Value], orders: &BTreeMap<String, Value>) {
        let (mut items, mut paid, mut refunded) = (order["items"].clone(), 0, 0);
        let mut before = order["timestamp"].as_str().unwrap();
        for (place, event) in events.iter().enumerate() {
            assert_eq!(event["event_id"], format!("E{}", place + 1));
            assert_eq!(event["customer_id"], order["customer_id"]);
            let at = event["at"].as_str().unwrap();
            assert!(before <= at, "{events:?}");
            before = at;
            match event["kind"].as_str().unwrap() {
                "amended" if event["items"].is_array() => items = event["items"].clone(),
                "paid" => paid += event["amount"].as_i64().unwrap(),
                "refunded" => refunded += event["amount"].as_i64().unwrap(),
                "returned" => {
                    let back = &orders[event["return_id"].as_str().unwrap()];
                    assert_eq!((&back["kind"], &back["timestamp"]), (&"return".into(), &event["at"]));
                    let negative = |(sku, pieces): (String, i64)| (sku, -pieces);
                    let back = pieces(&back["items"]).into_iter().map(negative).collect::<BTreeMap<_, _>>();
                    assert_eq!(pieces(&event["items"]), back);
                    assert!(back.iter().all(|(sku, count)| *count <= pieces(&items)[sku]), "no more than there was");
                }
                _ => {}
            }
        }
        assert!(paid == 0 || paid == total(&items), "{events:?}");
        assert!(refunded <= paid, "{events:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        /// Whatever the recipe, every event is one that Forebay takes, and fits the order that it is of.
        #[test]
        fn events_fit_the_orders_of_the_same_recipe(seed: u64, returns in prop_oneof![Just(0.0), 0.01..0.5_f64], hours in 1_u64..2000) {
            let recipe = Recipe { returns, span_ms: hours * 3_600_000, ..recipe(seed) };
            let orders: BTreeMap<String, Value> = lines(&make_orders(recipe.clone()))
                .into_iter()
                .map(|order| (order["order_id"].as_str().unwrap().to_owned(), order))
                .collect();
            let bytes = make(recipe.clone());
            prop_assert_eq!(&bytes, &make(recipe.clone()));
            let parser = EventParser::new("seller=items[].seller_id".parse::<ViewSet>().unwrap(), 0);
            let end = recipe.from.plus_us((recipe.span_ms * 1000).cast_signed());
            let mut of_orders: BTreeMap<String, Vec<Value>> = BTreeMap::new();
            for line in bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
                parser.parse(line, None, end).unwrap();
                let event: Value = serde_json::from_slice(line).unwrap();
                of_orders.entry(event["order_id"].as_str().unwrap().to_owned()).or_default().push(event);
            }
            for (order_id, events) in &of_orders {
                check_life(&orders[order_id], events, &orders);
            }
            let returned = of_orders.values().flatten().filter(|event| event["kind"] == "returned").count();
            let back = orders.values().filter(|order| order["kind"] == "return").count();
            prop_assert_eq!(returned, back);
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_events_and_orders_are_of_every_state() {
        let bytes = make(Recipe { returns: 0.1, ..recipe(1) });
        let kinds: BTreeSet<String> =
            lines(&bytes).iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect();
        let all =
            ["amended", "cancelled", "confirmed", "delivered", "packed", "paid", "refunded", "returned", "shipped"];
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), all);
        let first = bytes.split(|&b| b == b'\n').next().unwrap();
        // As with orders, a change of this line changes what a seed means for everybody.
        let pinned = r#"{"event_id":"E1","order_id":"ORDfa1073-0000014","customer_id":"CUST00001","kind":"confirmed","at":"2025-06-01T04:50:16.790Z"}"#;
        assert_eq!(String::from_utf8_lossy(first), pinned);
    }
}
