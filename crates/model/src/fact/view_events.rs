//! What each key of each view sees of what happened to an order: the events by which the order's status, what came back of it and its
//! items follow for that key, and of those no more than that takes. What else an event says is not for everybody.
//!
//! What a key sees of an event follows from the order and that event alone, so that it is the same whatever else has arrived. Whether what it
//! names is the key's follows from all of them: what the key is told is less
//! ([`StoredEvents::of_part`](crate::StoredEvents::of_part)).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::slices::{item_slices, set_keys, slices};
use crate::event::life::is_of_kind;
use crate::event::{EventKind, StoredEvent, StoredEvents};
use crate::view::{ViewId, ViewSet, ViewSlice};
use crate::{OrderKind, StoredOrder};

/// What one key of one view sees of an order and of what happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeySight<'a> {
    /// As it was placed: nothing, where the key came in by an amendment.
    pub(super) slice: ViewSlice<'a>,
    /// The places of the amendments that bring the key in; `None` where it has been there from the beginning.
    pub(super) brought_by: Option<Vec<usize>>,
    /// The places of the events, with what the key sees of each: the text of a JSON object.
    pub(super) events: Vec<(usize, String)>,
}

/// What an amendment does, as far as views see it.
struct Amendment<'e> {
    /// The order's items anew, where it gives some.
    items: Option<&'e str>,
    /// Those of each key that stands in an item.
    of_items: BTreeMap<(ViewId, String), String>,
    /// The keys that it sets in the order itself; none where no key is the order's from then on.
    set: Vec<(ViewId, Option<String>)>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    items: Option<&'a RawValue>,
    #[serde(borrow)]
    set: Option<&'a RawValue>,
}

/// What every key sees that sees anything.
pub(super) fn seen<'a>(views: &ViewSet, order: &StoredOrder<'a>, events: &[&StoredEvent<'a>]) -> Vec<KeySight<'a>> {
    let new = |slice: ViewSlice<'a>, brought_by| KeySight { slice, brought_by, events: Vec::new() };
    let placed = slices(views, order).into_iter().map(|slice| new(slice, None));
    if events.is_empty() {
        return placed.collect();
    }
    let amendments: Vec<Option<Amendment<'_>>> =
        events.iter().map(|event| Amendment::of(views, order, event)).collect();
    let mut keys: BTreeMap<(ViewId, String), KeySight<'a>> =
        placed.map(|seen| ((seen.slice.view, seen.slice.key.clone()), seen)).collect();
    for (place, amendment) in amendments.iter().enumerate() {
        for (view, key) in amendment.iter().flat_map(Amendment::brings) {
            let nothing = || ViewSlice { view, key: key.clone(), subtotal: 0, items: Vec::new() };
            let seen = keys.entry((view, key.clone())).or_insert_with(|| new(nothing(), Some(Vec::new())));
            if let Some(brought_by) = &mut seen.brought_by {
                brought_by.push(place);
            }
        }
    }
    let items = str::from_utf8(order.items).unwrap_or("[]");
    keys.into_iter()
        .map(|(key, seen)| {
            let is_of_order = views.is_of_order(key.0);
            // A key that stands in the order itself and comes in later has all that there was.
            let placed = (is_of_order && seen.brought_by.is_some()).then_some(items);
            let amended = amendments.iter().map(|amendment| {
                let amendment = amendment.as_ref()?;
                if is_of_order { amendment.of_order(&key, placed) } else { amendment.of_item(&key) }
            });
            KeySight { events: happened(events, amended), ..seen }
        })
        .collect()
}

/// Every key of every view that sees something of an order, or of what happened to it.
pub fn view_keys(views: &ViewSet, order: &StoredOrder<'_>) -> Vec<(ViewId, String)> {
    let events = order.read_events();
    let events: Vec<_> = events.iter().collect();
    seen(views, order, &events).into_iter().map(|seen| (seen.slice.view, seen.slice.key)).collect()
}

impl<'e> Amendment<'e> {
    /// `None` of any other event.
    fn of(views: &ViewSet, order: &StoredOrder<'_>, event: &'e StoredEvent<'_>) -> Option<Self> {
        let content = content_of(event).filter(|_| event.kind == EventKind::Amended)?;
        let is_order_returned = order.kind == OrderKind::Return.as_str().as_bytes();
        let items = content.items.map(RawValue::get).filter(|items| is_of_kind(items, Some(is_order_returned)));
        let of_items = items.map(|items| item_slices(views, items)).unwrap_or_default().into_iter();
        let of_items =
            of_items.map(|slice| ((slice.view, slice.key), format!("[{}]", slice.items.join(",")))).collect();
        let set = content.set.map(|set| set_keys(views, set.get())).unwrap_or_default();
        Some(Self { items, of_items, set })
    }

    /// The keys that have the order by it.
    fn brings(&self) -> impl Iterator<Item = (ViewId, &String)> {
        let of_order = self.set.iter().filter_map(|(view, key)| Some((*view, key.as_ref()?)));
        self.of_items.keys().map(|(view, key)| (*view, key)).chain(of_order)
    }

    /// What a key sees of it that stands in items: its own. One that leaves it nothing is what it goes out by.
    fn of_item(&self, key: &(ViewId, String)) -> Option<String> {
        self.items?;
        let items = self.of_items.get(key).map_or("[]", String::as_str);
        Some(format!(r#"{{"items":{items}}}"#))
    }

    /// What a key sees of it that stands in the order itself: all items, and whether the order is its own from then on. Where it has none of
    /// those that were `placed`, they come with it.
    fn of_order(&self, (view, key): &(ViewId, String), placed: Option<&str>) -> Option<String> {
        let here = self.set.iter().find(|(set, _)| set == view).map(|(_, now)| now.as_ref() == Some(key));
        let items = self.items.map(|items| format!(r#""items":{items}"#));
        let placed = placed.filter(|_| here == Some(true) && self.items.is_none());
        let told =
            [items, here.map(|here| format!(r#""here":{here}"#)), placed.map(|placed| format!(r#""placed":{placed}"#))];
        let told: Vec<String> = told.into_iter().flatten().collect();
        (!told.is_empty()).then(|| format!("{{{}}}", told.join(",")))
    }
}

/// What a key sees of each event, where it sees anything; `amended` is what it sees of each that is an amendment.
fn happened(events: &[&StoredEvent<'_>], amended: impl Iterator<Item = Option<String>>) -> Vec<(usize, String)> {
    let mut seen = Vec::new();
    for (place, (event, amended)) in events.iter().zip(amended).enumerate() {
        let returned = || content_of(event)?.items.map(|items| format!(r#"{{"items":{}}}"#, items.get()));
        let content = match &event.kind {
            EventKind::Amended => amended,
            EventKind::Returned => returned().or_else(|| Some("{}".to_owned())),
            kind => kind.state().map(|_| "{}".to_owned()),
        };
        seen.extend(content.map(|content| (place, content)));
    }
    seen
}

fn content_of<'e>(event: &'e StoredEvent<'_>) -> Option<Content<'e>> {
    serde_json::from_str(&event.content).ok()
}

impl<'a> StoredOrder<'a> {
    /// Its events. What cannot be read, as only a foreign row can have it, is left out.
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
        let one = |seen: KeySight<'_>| {
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

    #[test]
    fn an_order_goes_from_one_key_of_its_own_to_another_and_takes_along_what_was_placed() {
        let items = json!([{"sku": "C", "quantity": 1, "price": 7}]);
        let events = json!([
            ["1", "amended", 1, {"set": {"d": "E"}}],
            ["2", "amended", 2, {"items": items}],
            ["3", "amended", 3, {"set": {"d": null, "x": 1}}],
            ["4", "amended", 4, {"set": {"x": 2}}],
            ["5", "amended", 5, {"items": items, "set": {"d": "D"}}],
        ]);
        let all = format!(r#"amended{{"items":{items}}}"#);
        let (away, back) = (r#"amended{"here":false}"#, format!(r#"amended{{"items":{items},"here":true}}"#));
        let shown = shown(&events);
        assert_eq!(shown[2], format!("D 11 2: {away} {all} {away} {back}"));
        let come = format!(r#"amended{{"here":true,"placed":{ITEMS}}}"#);
        let gone = format!(r#"amended{{"items":{items},"here":false}}"#);
        assert_eq!(shown[3], format!("E 0 0: {come} {all} {away} {gone}"));
    }
}
