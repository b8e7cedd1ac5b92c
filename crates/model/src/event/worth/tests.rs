//! Sums that are kept while orders and events arrive in any order, some twice, are those of a model that has everything at once and sorts it
//! first: of everybody at every position, of the keys of views once everything that follows is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::event::{EventKind, StoredEvent, StoredEvents};
use crate::fact::FramePart;
use crate::{Deriver, Facts, Hash, Identity, Lane, ShardMap, StoredOrder, Timestamp, Tuples};

/// An order and what happens to it.
#[derive(Clone, Debug)]
struct Case {
    items: usize,
    depot: usize,
    events: Vec<(usize, i64)>,
}

/// Arrivals, some of them twice: which order, and which of its events or the order itself.
type Arrival = (usize, Option<usize>);

const DEPOTS: [Option<&str>; 3] = [None, Some("D"), Some("E")];

fn items(choice: usize) -> Value {
    let item = |seller: &str, quantity: i64, price: i64| json!({"s": seller, "sku": seller, "quantity": quantity, "price": price});
    match choice {
        0 => json!([item("x", 2, 3), item("y", 1, 5)]),
        1 => json!([item("y", 3, 7)]),
        2 => json!([item("z", 1, 11), item("x", 1, -2), item("x", 1, 13)]),
        _ => json!([{"sku": "of nobody", "quantity": 1, "price": 17}]),
    }
}

fn attributes(depot: usize) -> Value {
    DEPOTS[depot].map_or(json!({}), |depot| json!({"d": depot}))
}

/// What happens: kind, new items, and the depot from then on, where it says.
fn happens(choice: usize) -> (&'static str, Value) {
    match choice {
        0 => ("shipped", json!({})),
        1 => ("returned", json!({"items": [{"sku": "x", "quantity": 1}]})),
        2..=5 => ("amended", json!({"items": items(choice - 2)})),
        6..=8 => ("amended", json!({"set": {"d": DEPOTS[choice - 6]}})),
        _ => (
            "amended",
            json!({"items": items(choice % 4), "set": {"d": DEPOTS[choice % 3], "here": false}, "here": 1, "placed": "?"}),
        ),
    }
}

impl Case {
    fn event(&self, number: usize) -> (String, &'static str, i64, Value) {
        let (choice, at) = self.events[number];
        let (kind, content) = happens(choice);
        (format!("E{number}"), kind, at, content)
    }

    /// What the order counts for with some of its events, by key of a view and in all: with everything at once, sorted first.
    fn model(&self, happened: &BTreeSet<usize>) -> BTreeMap<String, Worth> {
        let mut sorted: Vec<_> = happened.iter().map(|&number| self.event(number)).collect();
        sorted.retain(|(_, kind, ..)| *kind == "amended");
        sorted.sort_by(|a, b| (a.2, &a.0).cmp(&(b.2, &b.0)));
        let (mut items, mut depot) = (items(self.items), attributes(self.depot)["d"].clone());
        for (.., content) in sorted {
            if content.get("items").is_some() {
                items = content["items"].clone();
            }
            if let Some(set) = content["set"].get("d") {
                depot = set.clone();
            }
        }
        let mut sums: BTreeMap<String, Worth> = BTreeMap::new();
        let keys = |item: &Value| item["s"].as_str().map(|seller| format!("s {seller}"));
        for item in items.as_array().unwrap() {
            let total = item["quantity"].as_i64().unwrap() * item["price"].as_i64().unwrap();
            let of_order = depot.as_str().map(|depot| format!("d {depot}"));
            for key in [Some("all".to_owned()), keys(item), of_order].into_iter().flatten() {
                let sum = sums.entry(key).or_default();
                *sum = Worth { orders: 1, total: sum.total + i128::from(total) };
            }
        }
        sums
    }
}

fn model<'a>(cases: impl Iterator<Item = (&'a Case, &'a BTreeSet<usize>)>) -> BTreeMap<String, Worth> {
    let mut sums: BTreeMap<String, Worth> = BTreeMap::new();
    for (key, worth) in cases.flat_map(|(case, happened)| case.model(happened)) {
        *sums.entry(key).or_default() += worth;
    }
    sums
}

/// A sum's name, and an order's.
type Name = (String, String);
/// A kind of event, when it was, and its content.
type Told = (String, i64, String);

/// Rows with their events, as a shard has them, and sums that are kept beside them. A row has a sum's name and its order's.
struct Kept {
    fold: fn(Timestamp, &str, &StoredEvents<'_>) -> Life,
    rows: BTreeMap<Name, (String, Worth, Option<AmendedItems>)>,
    events: BTreeMap<Name, BTreeMap<String, Told>>,
    sums: BTreeMap<String, Worth>,
}

impl Kept {
    fn new(fold: fn(Timestamp, &str, &StoredEvents<'_>) -> Life) -> Self {
        Self { fold, rows: BTreeMap::new(), events: BTreeMap::new(), sums: BTreeMap::new() }
    }

    fn store_row(&mut self, name: &Name, items: String, placed: Worth) {
        if !self.rows.contains_key(name) {
            *self.sums.entry(name.0.clone()).or_default() += placed;
            self.rows.insert(name.clone(), (items, placed, None));
            self.restate(name);
        }
    }

    fn store_event(&mut self, name: &Name, event_id: String, event: Told) {
        self.events.entry(name.clone()).or_default().entry(event_id).or_insert(event);
        self.restate(name);
    }

    fn restate(&mut self, name: &Name) {
        let Some((items, placed, kept)) = self.rows.get_mut(name) else { return };
        let read = |(event_id, (kind, at, content)): (&String, &'_ (String, i64, String))| StoredEvent {
            event_id: event_id.clone(),
            kind: kind.parse::<EventKind>().unwrap(),
            at: Timestamp::from_unix_us(*at),
            content: content.clone().into(),
        };
        let events = StoredEvents::new(self.events.get(name).into_iter().flatten().map(read).collect());
        let follows = AmendedItems::of(&(self.fold)(Timestamp::EARLIEST, items, &events));
        *self.sums.entry(name.0.clone()).or_default() += placed.amended(follows) - placed.amended(*kept);
        *kept = follows;
    }

    /// Those that count anything.
    fn counted(&self) -> BTreeMap<String, Worth> {
        self.sums.iter().filter(|(_, worth)| worth.orders != 0).map(|(name, worth)| (name.clone(), *worth)).collect()
    }

    /// Takes a derived tuple.
    fn take(&mut self, lane: Lane, tuple: &[u8]) {
        let tuple = Tuples::new(lane, tuple).next().unwrap().unwrap();
        let text = |name| str::from_utf8(tuple.named(name).unwrap()).unwrap().to_owned();
        let number = |name| i64::from_be_bytes(tuple.named(name).unwrap().try_into().unwrap());
        let view = if tuple.named("view").unwrap() == [0, 1] { "s" } else { "d" };
        let name = (format!("{view} {}", text("key")), text("order_id"));
        if lane == Lane::Views {
            let items = text("items");
            let placed = Worth::of(number("subtotal"), items != "[]");
            self.store_row(&name, items, placed);
        } else {
            self.store_event(&name, text("event_id"), (text("kind"), number("happened_at"), text("content")));
        }
    }
}

/// What follows from an order and some of its events, tuple by tuple: all of it, or what `is_new` adds.
fn derived(
    case: &Case,
    number: usize,
    happened: &BTreeSet<usize>,
    new: &BTreeSet<usize>,
    is_first: bool,
) -> Vec<(Lane, Vec<u8>)> {
    let map = ShardMap::even(NonZeroU16::MIN, Hash::Md5);
    let deriver = Deriver::new("seller=items[].s,depot=d".parse().unwrap(), Arc::new(map));
    let id = number.to_string();
    let identity = Identity {
        bucket: 0,
        tenant: b"",
        customer_id: b"C",
        ordered_at: Timestamp::EARLIEST,
        order_id: id.as_bytes(),
    };
    let (items, attributes) = (items(case.items).to_string(), attributes(case.depot).to_string());
    let events = json!(happened.iter().map(|&event| case.event(event)).collect::<Vec<_>>()).to_string();
    let order = StoredOrder {
        identity,
        kind: b"sale",
        currency: b"EUR",
        items: items.as_bytes(),
        attributes: attributes.as_bytes(),
        events: (!happened.is_empty()).then_some(events.as_bytes()),
    };
    let mut facts = Facts::default();
    if is_first {
        deriver.derive_views(&StoredOrder { events: None, ..order }, &mut facts);
    }
    deriver.derive_news(&order, |event_id| is_first || new.contains(&event_id[1..].parse().unwrap()), &mut facts);
    let tuples = |part: FramePart| {
        let lane = part.lane;
        Tuples::new(lane, &part.tuples).map(|tuple| (lane, tuple.unwrap().bytes().to_vec())).collect::<Vec<_>>()
    };
    facts.into_parts().into_iter().flat_map(tuples).collect()
}

fn cases() -> impl Strategy<Value = (Vec<Case>, Vec<prop::sample::Index>)> {
    let case = (0usize..4, 0usize..3, prop::collection::vec((0usize..13, 0i64..4), 0..6));
    let case = case.prop_map(|(items, depot, events)| Case { items, depot, events });
    (prop::collection::vec(case, 1..4), prop::collection::vec(any::<prop::sample::Index>(), 12))
}

/// Everything once, and a third of it twice, in an order by chance.
fn arrivals(cases: &[Case], chances: &[prop::sample::Index]) -> Vec<Arrival> {
    let facts = |(number, case): (usize, &Case)| {
        (0..case.events.len()).map(Some).chain([None]).map(move |fact| (number, fact)).collect::<Vec<_>>()
    };
    let mut left: Vec<Arrival> = cases.iter().enumerate().flat_map(facts).collect();
    left.extend(left.clone().into_iter().step_by(3));
    let mut arrivals = Vec::new();
    let mut chances = chances.iter().cycle();
    while !left.is_empty() {
        arrivals.push(left.swap_remove(chances.next().unwrap().index(left.len())));
    }
    arrivals
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]
    #[test]
    fn what_is_kept_is_what_a_model_that_sorts_first_comes_to((cases, chances) in cases()) {
        let (mut all, mut of_keys) = (Kept::new(Life::of), Kept::new(Life::of_part));
        let mut happened = vec![BTreeSet::new(); cases.len()];
        let mut is_stored = vec![false; cases.len()];
        let mut follow = Vec::new();
        for (number, fact) in arrivals(&cases, &chances) {
            let (case, name) = (&cases[number], ("all".to_owned(), number.to_string()));
            match fact {
                None => {
                    let total = case.model(&BTreeSet::new())["all"].total as i64;
                    all.store_row(&name, items(case.items).to_string(), Worth::of(total, true));
                    follow.extend(derived(case, number, &happened[number], &BTreeSet::new(), true));
                    is_stored[number] = true;
                }
                Some(event) => {
                    let (event_id, kind, at, content) = case.event(event);
                    all.store_event(&name, event_id, (kind.to_owned(), at, content.to_string()));
                    happened[number].insert(event);
                    if is_stored[number] {
                        follow.extend(derived(case, number, &happened[number], &[event].into(), false));
                    }
                }
            }
            let mut expected = model(cases.iter().zip(&happened).zip(&is_stored).filter(|(_, is)| **is).map(|(of, _)| of));
            expected.retain(|key, _| key == "all");
            prop_assert_eq!(all.counted(), expected, "at every position");
        }
        let mut expected = model(cases.iter().zip(&happened));
        expected.remove("all");
        // What follows is stored in any order, too, and some of it twice.
        follow.extend(follow.clone().into_iter().step_by(3));
        let mut chances = chances.iter().cycle();
        while !follow.is_empty() {
            let (lane, tuple) = follow.swap_remove(chances.next().unwrap().index(follow.len()));
            of_keys.take(lane, &tuple);
        }
        prop_assert_eq!(of_keys.counted(), expected, "in the end");
    }
}
