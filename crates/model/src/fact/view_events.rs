//! What each key of each view sees of what happened to an order: the events by which the order's status, what came back of it and its
//! items follow for that key, and of those no more than that takes. What else an event says is not for everybody.
//!
//! What a key sees of an event follows from the order and that event alone, so that it is the same whatever else has arrived.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::derive::{StoredOrder, ViewSlice, item_slices, order_keys, slices};
use crate::event::{EventKind, StoredEvent, StoredEvents};
use crate::view::{ViewId, ViewSet};

/// What one key of one view sees of an order and of what happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen<'a> {
    /// As it was placed: nothing, where the key came in by an amendment.
    pub(super) slice: ViewSlice<'a>,
    /// The places of the amendments that bring the key in; `None` where it has been there from the beginning.
    pub(super) brought_by: Option<Vec<usize>>,
    /// The places of the events, with what the key sees of each: the text of a JSON object.
    pub(super) events: Vec<(usize, String)>,
}

#[derive(Deserialize)]
struct Items<'a> {
    #[serde(borrow)]
    items: Option<&'a RawValue>,
}

/// What every key sees that sees anything.
pub(super) fn seen<'a>(views: &ViewSet, order: &StoredOrder<'a>, events: &[&StoredEvent<'a>]) -> Vec<Seen<'a>> {
    let placed = slices(views, order);
    if events.is_empty() {
        return placed.into_iter().map(|slice| Seen { slice, brought_by: None, events: Vec::new() }).collect();
    }
    let of_order = order_keys(views, order);
    let amended: Vec<BTreeMap<(ViewId, String), String>> =
        events.iter().map(|event| amended_items(views, event, &of_order)).collect();
    let new = |slice: ViewSlice<'a>, brought_by| Seen { slice, brought_by, events: Vec::new() };
    let mut keys: BTreeMap<(ViewId, String), Seen<'a>> =
        placed.into_iter().map(|slice| ((slice.view, slice.key.clone()), new(slice, None))).collect();
    for (place, items) in amended.iter().enumerate() {
        for (view, key) in items.keys() {
            let nothing = || ViewSlice { view: *view, key: key.clone(), subtotal: 0, items: Vec::new() };
            let seen = keys.entry((*view, key.clone())).or_insert_with(|| new(nothing(), Some(Vec::new())));
            if let Some(brought_by) = &mut seen.brought_by {
                brought_by.push(place);
            }
        }
    }
    keys.into_iter()
        .map(|(key, seen)| {
            let items = amended.iter().map(|items| items.get(&key).map(String::as_str));
            Seen { events: happened(events, items), ..seen }
        })
        .collect()
}

/// Every key of every view that sees something of an order, or of what happened to it.
pub fn view_keys(views: &ViewSet, order: &StoredOrder<'_>) -> Vec<(ViewId, String)> {
    let events = order.read_events();
    let events: Vec<_> = events.iter().collect();
    seen(views, order, &events).into_iter().map(|seen| (seen.slice.view, seen.slice.key)).collect()
}

/// The items of each key after an event that gives the order others.
fn amended_items(
    views: &ViewSet,
    event: &StoredEvent<'_>,
    of_order: &[(ViewId, String)],
) -> BTreeMap<(ViewId, String), String> {
    let Some(items) = items_of(event).filter(|_| event.kind == EventKind::Amended) else { return BTreeMap::new() };
    let of_items = item_slices(views, items).into_iter();
    let mut by_key: BTreeMap<_, _> =
        of_items.map(|slice| ((slice.view, slice.key), format!("[{}]", slice.items.join(",")))).collect();
    by_key.extend(of_order.iter().map(|key| (key.clone(), items.to_owned())));
    by_key
}

/// What a key sees of each event, where it sees anything; `amended` are its items after each that gives the order others.
fn happened<'e>(events: &[&StoredEvent<'_>], amended: impl Iterator<Item = Option<&'e str>>) -> Vec<(usize, String)> {
    let mut seen = Vec::new();
    for (place, (event, amended)) in events.iter().zip(amended).enumerate() {
        let content = match (&event.kind, items_of(event)) {
            // An event that leaves the key nothing is what it goes out by.
            (EventKind::Amended, Some(_)) => format!(r#"{{"items":{}}}"#, amended.unwrap_or("[]")),
            (EventKind::Returned, Some(items)) => format!(r#"{{"items":{items}}}"#),
            (kind, _) if kind.state().is_some() => "{}".to_owned(),
            _ => continue,
        };
        seen.push((place, content));
    }
    seen
}

fn items_of<'a>(event: &StoredEvent<'a>) -> Option<&'a str> {
    serde_json::from_str::<Items<'a>>(event.content).ok()?.items.map(RawValue::get)
}

impl<'a> StoredOrder<'a> {
    /// Its events. What cannot be read, as only a foreign row can have it, is none.
    pub(super) fn read_events(&self) -> StoredEvents<'a> {
        let text = self.events.and_then(|text| str::from_utf8(text).ok());
        StoredEvents::read(text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Identity, Timestamp};
    use serde_json::json;

    const ITEMS: &str = r#"[{"s":"x","sku":"A","quantity":2,"price":3},{"s":"y","sku":"B","quantity":1,"price":5}]"#;

    /// View, key, subtotal and items as they were placed, and kind and content of each event.
    fn shown(events: &serde_json::Value) -> Vec<String> {
        let ordered_at = Timestamp::EARLIEST;
        let identity = Identity { bucket: 0, tenant: b"", customer_id: b"C", ordered_at, order_id: b"O" };
        let text = events.to_string();
        let order = StoredOrder {
            identity,
            kind: b"sale",
            currency: b"EUR",
            items: ITEMS.as_bytes(),
            attributes: br#"{"d":"D"}"#,
            events: Some(text.as_bytes()),
        };
        let views: ViewSet = "seller=items[].s,depot=d".parse().unwrap();
        let events = order.read_events();
        let events: Vec<_> = events.iter().collect();
        let one = |seen: Seen<'_>| {
            let ViewSlice { key, subtotal, items, .. } = seen.slice;
            let happened = seen.events.iter().map(|(place, content)| format!(" {}{content}", events[*place].kind));
            format!("{key} {subtotal} {}:{}", items.len(), happened.collect::<String>())
        };
        seen(&views, &order, &events).into_iter().map(one).collect()
    }

    #[test]
    fn each_key_sees_the_states_and_what_came_back() {
        let items = json!([{"sku": "A", "quantity": 1}]);
        let events = json!([
            ["1", "shipped", 1, {"carrier": "secret"}],
            ["2", "paid", 2, {"amount": 11}],
            ["3", "returned", 3, {"items": items, "by": "secret"}],
            ["4", "note", 4, {}],
        ]);
        let returned = format!(r#"returned{{"items":{items}}}"#);
        assert_eq!(
            shown(&events),
            [
                format!("x 6 1: shipped{{}} {returned}"),
                format!("y 5 1: shipped{{}} {returned}"),
                format!("D 11 2: shipped{{}} {returned}"),
            ]
        );
    }

    #[test]
    fn a_key_comes_in_and_goes_out_by_amended_items() {
        let items = json!([{"s": "z", "sku": "C", "quantity": 1, "price": 7}]);
        let events =
            json!([["1", "amended", 1, {"items": items, "set": {"a": 1}}], ["2", "amended", 2, {"set": {"a": 2}}]]);
        let there = format!(r#"amended{{"items":{items}}}"#);
        assert_eq!(
            shown(&events),
            [
                r#"x 6 1: amended{"items":[]}"#.to_owned(),
                r#"y 5 1: amended{"items":[]}"#.to_owned(),
                format!("z 0 0: {there}"),
                format!("D 11 2: {there}"),
            ]
        );
    }
}
