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
    /// What came in, in minor units. Each amount fits 64 bits, and their sum need not.
    pub paid: Option<i128>,
    /// What went back, in minor units, likewise.
    pub refunded: Option<i128>,
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
pub(super) struct Content<'a> {
    #[serde(borrow)]
    pub(super) items: Option<&'a RawValue>,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    #[serde(borrow)]
    set: Option<&'a RawValue>,
    /// Of what the key of a view sees, where that key stands in the order itself: whether the order has it from then on.
    #[serde(borrow)]
    pub(super) here: Option<&'a RawValue>,
    /// And where it had another one when it was placed: its items at that time.
    #[serde(borrow)]
    pub(super) placed: Option<&'a RawValue>,
}

impl Life {
    /// Of a whole order with these items as it was placed.
    pub fn of(ordered_at: Timestamp, items: &str, events: &StoredEvents<'_>) -> Self {
        let (mut life, ordered) = Self::fold(ordered_at, items, events, |_, _| {});
        for (sku, &returned) in &life.returned {
            let beyond = returned - ordered.get(sku).copied().unwrap_or(0);
            if beyond > 0 {
                life.returned_beyond.insert(sku.clone(), beyond);
            }
        }
        life
    }

    /// Of what the key of a view sees of an order, with these items as it was placed, by what the key is [told](StoredEvents::of_part).
    /// Events name SKUs and not whose they are, so no more of one is told than the key has.
    pub fn of_part(ordered_at: Timestamp, items: &str, events: &StoredEvents<'_>) -> Self {
        let events = events.of_part(items);
        let (mut life, ordered) = Self::fold(ordered_at, items, &events, |life, events| life.stay(events, items));
        life.returned.retain(|sku, returned| {
            *returned = ordered.get(sku).map_or(0, |&ordered| ordered.min(*returned));
            *returned > 0
        });
        life
    }

    fn fold<'e>(
        ordered_at: Timestamp,
        items: &str,
        events: &'e StoredEvents<'_>,
        amended: impl FnOnce(&mut Self, &[(&'e StoredEvent<'e>, Content<'e>)]),
    ) -> (Self, BTreeMap<String, i64>) {
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
            life.amend(event.at, content, items);
        }
        amended(&mut life, &events);
        let mut ordered = quantities(life.items.as_ref().map_or(items, |amended| &amended.items));
        // What a credit note has given back does not come back once more.
        ordered.retain(|_, quantity| *quantity > 0);
        for (event, content) in &events {
            life.take(event, content, &ordered);
        }
        (life, ordered)
    }

    fn amend(&mut self, at: Timestamp, content: &Content<'_>, placed: &str) {
        self.amended_at = Some(at);
        if let Some(items) = content.items.filter(|items| is_of_kind(items.get(), is_returned(placed))) {
            self.items = Some(Amended::to(items.get()));
        }
        let set: BTreeMap<String, &RawValue> = content.set.map(read).unwrap_or_default();
        for (field, value) in set {
            self.set.insert(field, value.get().to_owned());
        }
    }

    /// Of the key of a view that stands in the order itself: the order has come to it, or has gone, by what the latest amendment says of it. A
    /// key that had nothing of it when it was placed has its items of then, unless they were amended.
    fn stay(&mut self, events: &[(&StoredEvent<'_>, Content<'_>)], items: &str) {
        let amendments = || events.iter().filter(|(event, _)| event.kind == EventKind::Amended);
        let Some(here) = amendments().filter_map(|(_, content)| content.here).next_back() else { return };
        if !read::<bool>(here) {
            self.items = Some(Amended::to("[]"));
        } else if self.items.is_none() && items == "[]" {
            self.items = amendments().find_map(|(_, content)| content.placed).map(|placed| Amended::to(placed.get()));
        }
    }

    fn take(&mut self, event: &StoredEvent<'_>, content: &Content<'_>, ordered: &BTreeMap<String, i64>) {
        let amount = || i128::from(content.amount.map_or(0, read::<i64>));
        let add = |sum: &mut Option<i128>| *sum = Some(sum.unwrap_or(0) + amount());
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

impl Amended {
    fn to(items: &str) -> Self {
        // That it fits was seen where it came in; of what is foreign, it is as near as it can be.
        let sum = parsed(items).iter().map(Item::sum).fold(0, i128::saturating_add);
        let sum = sum.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        Self { items: items.to_owned(), sum }
    }

    /// Whether nothing is left.
    pub fn is_nothing(&self) -> bool {
        self.items == "[]"
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

/// Whether items are those of a return; nothing where there are none.
pub(crate) fn is_returned(items: &str) -> Option<bool> {
    parsed(items).first().map(|item| item.quantity() < 0)
}

/// Whether an order can have these items from then on: a sale stays a sale, and a return a return.
pub(crate) fn is_of_kind(items: &str, is_order_returned: Option<bool>) -> bool {
    is_returned(items).is_none_or(|is_returned| is_order_returned.is_none_or(|of_order| of_order == is_returned))
}

/// What cannot be read, as only a foreign event can have it, says nothing.
pub(super) fn content<'e>(event: &'e StoredEvent<'_>) -> Content<'e> {
    let has_meaning =
        matches!(event.kind, EventKind::Amended | EventKind::Returned | EventKind::Paid | EventKind::Refunded);
    if has_meaning { serde_json::from_str(&event.content).unwrap_or_default() } else { Content::default() }
}

/// What is not of that type, as only a foreign event can have it, is nothing.
pub(super) fn read<'a, T: Deserialize<'a> + Default>(value: &'a RawValue) -> T {
    serde_json::from_str(value.get()).unwrap_or_default()
}

fn parsed(items: &str) -> Vec<Item<'_>> {
    serde_json::from_str(items).unwrap_or_default()
}

/// How many there are of each SKU.
pub(super) fn quantities(items: &str) -> BTreeMap<String, i64> {
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
mod tests;
