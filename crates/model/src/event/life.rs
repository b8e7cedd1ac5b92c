//! What an order has become: a fold over it and its events, by the events' own times. Whatever the order in which they arrive, the answer
//! in the end is the same.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{EventKind, Status, StoredEvent, StoredEvents};
use crate::Timestamp;

/// What an order has become.
#[derive(Clone, Debug)]
pub struct Life {
    /// The state that the latest event has brought that brings one.
    pub status: Status,
    /// Since when: the time of that event, or of the order.
    pub status_at: Timestamp,
    /// When it was last amended.
    pub amended_at: Option<Timestamp>,
    /// Its items as they are now, where they were amended.
    pub items: Option<Amended>,
    /// Fields that were amended: name and the text of the value.
    pub set: BTreeMap<String, String>,
    /// How many of which SKU came back.
    pub returned: BTreeMap<String, i64>,
    /// How many of them are more than there were.
    pub returned_beyond: BTreeMap<String, i64>,
    /// What came in, in minor units.
    pub paid: Option<i64>,
    /// What went back, in minor units.
    pub refunded: Option<i64>,
}

/// Amended items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amended {
    /// The text of a JSON array.
    pub items: String,
    /// Sum of quantity × price over them.
    pub sum: i64,
}

/// An item, as far as an order's life goes by it.
#[derive(Debug, Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    sku: Option<&'a RawValue>,
    #[serde(borrow)]
    quantity: Option<&'a RawValue>,
    #[serde(borrow)]
    price: Option<&'a RawValue>,
}

/// The further fields of an event that mean something in some kinds. In others they are anything, so each is read only where it does.
#[derive(Debug, Default, Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    items: Option<&'a RawValue>,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    #[serde(borrow)]
    set: Option<&'a RawValue>,
}

impl Life {
    /// Of a whole order with these items as it was placed.
    pub fn of(ordered_at: Timestamp, items: &str, events: &StoredEvents<'_>) -> Self {
        let (mut life, ordered) = Self::fold(ordered_at, items, events);
        for (sku, &returned) in &life.returned {
            let beyond = returned - ordered.get(sku).copied().unwrap_or(0);
            if beyond > 0 {
                life.returned_beyond.insert(sku.clone(), beyond);
            }
        }
        life
    }

    /// Of what the key of a view sees of an order, with these items as it was placed. Events name SKUs and not whose they are, so no more
    /// of one is told than the key has.
    pub fn of_part(ordered_at: Timestamp, items: &str, events: &StoredEvents<'_>) -> Self {
        let (mut life, ordered) = Self::fold(ordered_at, items, events);
        life.returned.retain(|sku, returned| {
            *returned = ordered.get(sku).map_or(0, |&ordered| ordered.min(*returned));
            *returned > 0
        });
        life
    }

    fn fold(ordered_at: Timestamp, items: &str, events: &StoredEvents<'_>) -> (Self, BTreeMap<String, i64>) {
        let mut life = Self {
            status: Status::Placed,
            status_at: ordered_at,
            amended_at: None,
            items: None,
            set: BTreeMap::new(),
            returned: BTreeMap::new(),
            returned_beyond: BTreeMap::new(),
            paid: None,
            refunded: None,
        };
        let events: Vec<(&StoredEvent<'_>, Content<'_>)> = events.iter().map(|event| (event, content(event))).collect();
        for (event, content) in events.iter().filter(|(event, _)| event.kind == EventKind::Amended) {
            life.amend(event.at, content);
        }
        let mut ordered = quantities(life.items.as_ref().map_or(items, |amended| &amended.items));
        // What a credit note has given back does not come back once more.
        ordered.retain(|_, quantity| *quantity > 0);
        for (event, content) in &events {
            life.take(event, content, &ordered);
        }
        (life, ordered)
    }

    fn amend(&mut self, at: Timestamp, content: &Content<'_>) {
        self.amended_at = Some(at);
        if let Some(items) = content.items {
            let sum = parsed(items.get()).iter().map(Item::sum).sum::<i128>() as i64;
            self.items = Some(Amended { items: items.get().to_owned(), sum });
        }
        let set: BTreeMap<String, &RawValue> = content.set.map(read).unwrap_or_default();
        for (field, value) in set {
            self.set.insert(field, value.get().to_owned());
        }
    }

    fn take(&mut self, event: &StoredEvent<'_>, content: &Content<'_>, ordered: &BTreeMap<String, i64>) {
        let amount = || content.amount.map_or(0, read::<i64>);
        let add = |sum: &mut Option<i64>| *sum = Some(sum.unwrap_or(0).saturating_add(amount()));
        match event.kind {
            EventKind::Paid => add(&mut self.paid),
            EventKind::Refunded => add(&mut self.refunded),
            EventKind::Returned => self.give_back(content, ordered),
            _ => {}
        }
        // Some of it came back: that is no state of the order.
        let is_part = event.kind == EventKind::Returned && !self.is_returned(ordered);
        if let Some(state) = event.kind.state().filter(|_| !is_part) {
            self.status = state;
            self.status_at = event.at;
        }
    }

    /// Without items all of it came back.
    fn give_back(&mut self, content: &Content<'_>, ordered: &BTreeMap<String, i64>) {
        let Some(items) = content.items else {
            for (sku, &quantity) in ordered {
                let returned = self.returned.entry(sku.clone()).or_default();
                *returned = quantity.max(*returned);
            }
            return;
        };
        for (sku, quantity) in quantities(items.get()) {
            let returned = self.returned.entry(sku).or_default();
            *returned = returned.saturating_add(quantity);
        }
    }

    fn is_returned(&self, ordered: &BTreeMap<String, i64>) -> bool {
        let is_back = |(sku, quantity): (&String, &i64)| self.returned.get(sku).is_some_and(|back| back >= quantity);
        !ordered.is_empty() && ordered.iter().all(is_back)
    }
}

impl Item<'_> {
    fn quantity(&self) -> i64 {
        self.quantity.map_or(0, read)
    }

    fn sum(&self) -> i128 {
        i128::from(self.quantity()) * i128::from(self.price.map_or(0, read::<i64>))
    }
}

/// What cannot be read, as only a foreign event can have it, says nothing.
fn content<'a>(event: &StoredEvent<'a>) -> Content<'a> {
    let has_meaning =
        matches!(event.kind, EventKind::Amended | EventKind::Returned | EventKind::Paid | EventKind::Refunded);
    if has_meaning { serde_json::from_str(event.content).unwrap_or_default() } else { Content::default() }
}

/// What is not of that type, as only a foreign event can have it, is nothing.
fn read<'a, T: Deserialize<'a> + Default>(value: &'a RawValue) -> T {
    serde_json::from_str(value.get()).unwrap_or_default()
}

fn parsed(items: &str) -> Vec<Item<'_>> {
    serde_json::from_str(items).unwrap_or_default()
}

/// How many there are of each SKU.
fn quantities(items: &str) -> BTreeMap<String, i64> {
    let mut quantities = BTreeMap::new();
    for item in parsed(items) {
        let Some(sku) = item.sku.map(RawValue::get) else { continue };
        // An integer stands for its decimal text.
        let sku = serde_json::from_str::<String>(sku).map_or(Cow::Borrowed(sku), Cow::Owned);
        let quantity = quantities.entry(sku.into_owned()).or_insert(0i64);
        *quantity = quantity.saturating_add(item.quantity());
    }
    quantities
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const ITEMS: &str = r#"[{"sku":"A","quantity":2,"price":100},{"sku":"B","quantity":1,"price":50},{"sku":"A","quantity":1,"price":90}]"#;

    fn event<'a>(id: &str, kind: &str, at: i64, content: &'a str) -> StoredEvent<'a> {
        StoredEvent { event_id: id.to_owned(), kind: kind.parse().unwrap(), at: Timestamp::from_unix_us(at), content }
    }

    fn life(events: Vec<StoredEvent<'_>>) -> Life {
        Life::of(Timestamp::from_unix_us(0), ITEMS, &StoredEvents::new(events))
    }

    fn status(events: Vec<StoredEvent<'_>>) -> (String, i64) {
        let life = life(events);
        (life.status.to_string(), life.status_at.unix_us())
    }

    #[test]
    fn the_latest_state_by_its_own_time_counts_whenever_it_came() {
        assert_eq!(status(vec![]), ("placed".to_owned(), 0));
        assert_eq!(status(vec![event("1", "note", 9, "{}")]), ("placed".to_owned(), 0));
        let events =
            || vec![event("1", "delivered", 5, "{}"), event("2", "shipped", 3, "{}"), event("3", "x-a", 8, "{}")];
        assert_eq!(status(events()), ("delivered".to_owned(), 5));
        let at_once = vec![event("9", "packed", 5, "{}"), event("1", "shipped", 5, "{}")];
        assert_eq!(status(at_once), ("shipped".to_owned(), 5), "of the same instant the further state");
    }

    #[test]
    fn an_order_is_returned_only_when_all_of_it_is() {
        let part = r#"{"items":[{"sku":"A","quantity":3}]}"#;
        let rest = r#"{"items":[{"sku":"B","quantity":2},{"sku":"Z","quantity":1}]}"#;
        let both =
            || vec![event("3", "returned", 7, rest), event("2", "returned", 6, part), event("1", "delivered", 5, "{}")];
        assert_eq!(status(both().into_iter().skip(1).collect()), ("delivered".to_owned(), 5));
        assert_eq!(status(both()), ("returned".to_owned(), 7));
        let life = life(both());
        assert_eq!(json!(life.returned), json!({"A": 3, "B": 2, "Z": 1}));
        assert_eq!(json!(life.returned_beyond), json!({"B": 1, "Z": 1}));
        assert_eq!(
            status(vec![event("1", "returned", 4, "{}")]),
            ("returned".to_owned(), 4),
            "without items all of it"
        );
    }

    #[test]
    fn amended_fields_and_items_are_those_of_the_latest_event() {
        let life = life(vec![
            event("2", "amended", 4, r#"{"set":{"a":2},"items":[{"sku":"B","quantity":2,"price":7}]}"#),
            event("1", "amended", 3, r#"{"set":{"a":1,"b":[1.50]},"items":[{"sku":"C","quantity":1,"price":1}]}"#),
            event("3", "returned", 1, r#"{"items":[{"sku":"B","quantity":2}]}"#),
        ]);
        assert_eq!(
            life.items.unwrap(),
            Amended { items: r#"[{"sku":"B","quantity":2,"price":7}]"#.to_owned(), sum: 14 }
        );
        assert_eq!(json!(life.set), json!({"a": "2", "b": "[1.50]"}));
        assert_eq!((life.amended_at.map(Timestamp::unix_us), life.status), (Some(4), Status::Returned));
    }

    #[test]
    fn a_field_that_means_nothing_in_a_kind_may_be_anything() {
        let part = r#"{"items":[{"sku":"B","quantity":1,"price":"?"}],"amount":"29.99","set":7}"#;
        let life = life(vec![
            event("1", "returned", 3, part),
            event("2", "paid", 4, r#"{"amount":5,"set":"A12","items":{}}"#),
            event("3", "amended", 5, r#"{"amount":1.5,"set":{"a":1}}"#),
        ]);
        assert_eq!((json!(life.returned), life.status), (json!({"B": 1}), Status::Placed));
        assert_eq!((life.paid, json!(life.set)), (Some(5), json!({"a": "1"})));
    }

    #[test]
    fn money_adds_up() {
        let life = life(vec![
            event("1", "paid", 1, r#"{"amount":5}"#),
            event("2", "paid", 2, r#"{"amount":7}"#),
            event("3", "refunded", 2, "{}"),
        ]);
        assert_eq!((life.paid, life.refunded), (Some(12), Some(0)));
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_makes_no_difference(
            events in prop::collection::btree_map("[a-e]{1,2}", (0usize..10, 0i64..6, 0usize..4), 0..12),
            seed in any::<u64>(),
        ) {
            let contents = [
                "{}",
                r#"{"amount":3,"items":[{"sku":"A","quantity":2,"price":1}],"set":{"a":1}}"#,
                r#"{"amount":4,"items":[{"sku":"B","quantity":1,"price":1},{"sku":"A","quantity":1,"price":2}],"set":{"b":2}}"#,
                r#"{"set":{"a":3}}"#,
            ];
            let made = |(id, (kind, at, content)): (&String, &(usize, i64, usize))| {
                event(id, EventKind::NAMED[*kind].as_str(), *at, contents[*content])
            };
            let sorted: Vec<_> = events.iter().map(made).collect();
            let mut shuffled = sorted.clone();
            // Any permutation: by a hash of the place.
            shuffled.sort_by_key(|event| xxhash_rust::xxh3::xxh3_64_with_seed(event.event_id.as_bytes(), seed));
            prop_assert_eq!(format!("{:?}", life(sorted)), format!("{:?}", life(shuffled)));
        }
    }
}
