//! What the key of a view is told of what happened to an order: of what came back, no more than it has had, and nothing from the moment on at
//! which the order is another's.
//!
//! What is stored of an event for a key follows from the order and that event alone, whatever else has arrived, and so it can name what is
//! others'. What a key has had is known where all of its events are: here, for everybody who tells of them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::life::{Content, content, quantities, read};
use super::{EventKind, StoredEvent, StoredEvents};

impl<'a> StoredEvents<'a> {
    /// Of these events of a key that had `items` of the order when it was placed, what the key is told.
    #[must_use]
    pub fn of_part(&self, items: &str) -> Self {
        let told = self.up_to_departure();
        let mut left = most_had(items, &told);
        let told = told.into_iter().filter_map(|event| match event.kind {
            EventKind::Returned => came_back(event, &mut left),
            _ => Some(event),
        });
        Self::new(told.collect())
    }

    /// Those that happened while the order was the key's, where it is not any more, the one by which it went included; else all of them.
    fn up_to_departure(&self) -> Vec<StoredEvent<'a>> {
        let mut told: Vec<StoredEvent<'a>> = self.iter().cloned().collect();
        let stays = told.iter().enumerate().filter(|(_, event)| event.kind == EventKind::Amended);
        let stays: Vec<(usize, Content<'_>)> = stays.map(|(place, event)| (place, content(event))).collect();
        let of_order = stays.iter().filter_map(|(place, content)| Some((*place, read::<bool>(content.here?))));
        // A key that stands in items has the order while it has some of them.
        let of_items = stays.iter().filter_map(|(place, content)| Some((*place, content.items?.get() != "[]")));
        let is_of_order = of_order.clone().next().is_some();
        let departure = if is_of_order { departure(of_order) } else { departure(of_items) };
        if let Some(place) = departure {
            told.truncate(place + 1);
            if is_of_order {
                // What else it gives is the next one's.
                told[place].content = Cow::Borrowed(r#"{"here":false}"#);
            }
        }
        told
    }
}

/// Of places, with whether the key has the order from there on, the first from which it never has it any more.
fn departure(stays: impl Iterator<Item = (usize, bool)>) -> Option<usize> {
    stays.fold(None, |left, (place, is_here)| if is_here { None } else { left.or(Some(place)) })
}

/// The most of each SKU that a key has had at any time.
fn most_had(items: &str, events: &[StoredEvent<'_>]) -> BTreeMap<String, i64> {
    let mut most = quantities(items);
    for event in events.iter().filter(|event| event.kind == EventKind::Amended) {
        let Content { items, placed, .. } = content(event);
        for (sku, quantity) in items.into_iter().chain(placed).flat_map(|items| quantities(items.get())) {
            let had = most.entry(sku).or_default();
            *had = quantity.max(*had);
        }
    }
    most
}

/// What came back, as far as it can be the key's; nothing where none of it can. Whether it said what came back stays as it was.
fn came_back<'a>(event: StoredEvent<'a>, left: &mut BTreeMap<String, i64>) -> Option<StoredEvent<'a>> {
    let Some(items) = content(&event).items else { return Some(event) };
    let mut back = Vec::new();
    for (sku, quantity) in quantities(items.get()) {
        let left = left.get_mut(&sku).filter(|left| **left > 0);
        if let Some(left) = left {
            let quantity = quantity.min(*left);
            *left -= quantity;
            back.push(serde_json::json!({"sku": sku, "quantity": quantity}));
        }
    }
    let content = serde_json::json!({"items": back}).to_string();
    (!back.is_empty()).then_some(StoredEvent { content: Cow::Owned(content), ..event })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::Timestamp;

    /// What a key with one A and two B is told: kind and content of each.
    fn told(placed: &Value, events: &[(&str, Value)]) -> Vec<String> {
        let event = |(at, (kind, content)): (usize, &(&str, Value))| StoredEvent {
            event_id: at.to_string(),
            kind: kind.parse().unwrap(),
            at: Timestamp::from_unix_us(at as i64),
            content: content.to_string().into(),
        };
        let events = StoredEvents::new(events.iter().enumerate().map(event).collect());
        let told = events.of_part(&placed.to_string());
        told.iter().map(|event| format!("{}{}", event.kind, event.content)).collect()
    }

    fn placed() -> Value {
        json!([{"sku": "A", "quantity": 1, "price": 3}, {"sku": "B", "quantity": 2, "price": 3}])
    }

    fn back(sku: &str, quantity: i64) -> (&'static str, Value) {
        ("returned", json!({"items": [{"sku": sku, "quantity": quantity}]}))
    }

    #[test]
    fn of_what_came_back_no_more_is_told_than_the_key_has_had() {
        let events = [
            ("returned", json!({"items": [{"sku": "Z", "quantity": 1}, {"sku": "A", "quantity": 3, "by": "?"}]})),
            back("Z", 1),
            back("B", 1),
            back("B", 5),
            back("B", 1),
            ("returned", json!({})),
        ];
        assert_eq!(
            told(&placed(), &events),
            [
                r#"returned{"items":[{"quantity":1,"sku":"A"}]}"#,
                r#"returned{"items":[{"quantity":1,"sku":"B"}]}"#,
                r#"returned{"items":[{"quantity":1,"sku":"B"}]}"#,
                "returned{}",
            ]
        );
        let amended = ("amended", json!({"items": [{"sku": "Z", "quantity": 1, "price": 1}]}));
        let told = told(&placed(), &[back("Z", 2), amended]);
        assert_eq!(told[0], r#"returned{"items":[{"quantity":1,"sku":"Z"}]}"#, "an amendment may be told of late");
    }

    #[test]
    fn a_key_that_lost_the_order_is_told_what_happened_until_then() {
        let nothing = ("amended", json!({"items": []}));
        let events = [("packed", json!({})), nothing, ("shipped", json!({})), back("A", 1)];
        assert_eq!(told(&placed(), &events), ["packed{}", r#"amended{"items":[]}"#]);
        let others = json!([{"sku": "Z", "quantity": 1, "price": 1}]);
        let events = [
            back("Z", 1),
            ("amended", json!({"items": others, "here": false})),
            ("amended", json!({"items": others})),
            ("shipped", json!({})),
        ];
        assert_eq!(told(&placed(), &events), [r#"amended{"here":false}"#]);
    }

    #[test]
    fn a_key_that_lost_it_is_told_nothing_of_what_happens_until_another_has_lost_it() {
        for away in [json!({"here": false}), json!({"items": []})] {
            let events = [("amended", away.clone()), ("shipped", json!({})), ("amended", away)];
            assert_eq!(told(&placed(), &events).len(), 1);
        }
    }

    #[test]
    fn a_key_to_which_it_came_back_is_told_everything() {
        let (away, back) = (("amended", json!({"here": false})), ("amended", json!({"here": true})));
        assert_eq!(told(&placed(), &[away, ("shipped", json!({})), back]).len(), 3);
        let (away, back) = (("amended", json!({"items": []})), ("amended", json!({"items": placed()})));
        assert_eq!(told(&placed(), &[away, ("shipped", json!({})), back]).len(), 3);
    }

    proptest! {
        #[test]
        fn what_came_back_in_all_is_never_more_than_there_ever_was(
            events in prop::collection::vec((0usize..3, "[ABZ]", 1i64..4), 0..12),
        ) {
            let events: Vec<(&str, Value)> = events.iter().map(|(choice, sku, quantity)| match choice {
                0 => ("amended", json!({"items": [{"sku": sku, "quantity": quantity, "price": 1}]})),
                _ => back(sku, *quantity),
            }).collect();
            let mut most = quantities(&placed().to_string());
            for (_, content) in events.iter().filter(|(kind, _)| *kind == "amended") {
                let (sku, quantity) = (&content["items"][0]["sku"], content["items"][0]["quantity"].as_i64().unwrap());
                let had = most.entry(sku.as_str().unwrap().to_owned()).or_default();
                *had = quantity.max(*had);
            }
            let mut back: BTreeMap<String, i64> = BTreeMap::new();
            for event in told(&placed(), &events).iter().filter_map(|event| event.strip_prefix("returned")) {
                let content: Value = serde_json::from_str(event).unwrap();
                for (sku, quantity) in quantities(&content["items"].to_string()) {
                    *back.entry(sku).or_default() += quantity;
                }
            }
            for (sku, quantity) in back {
                prop_assert!(quantity <= most.get(&sku).copied().unwrap_or(0), "{quantity} of {sku}");
            }
        }
    }
}
