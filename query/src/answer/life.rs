//! An order as it is now: as it was placed, with what happened to it since. What happened is folded by
//! [`Life`](forebay_model::event::life::Life); here it is written.

use std::borrow::Cow;
use std::collections::BTreeMap;

use forebay_model::StoredEvents;
use forebay_model::event::life::{Amended, Life};
use forebay_shard::read::OrderRow;
use serde_json::value::RawValue;

use crate::answer::{Fact, Sum, push_display, push_open_fact, push_text};
use crate::error::ReadError;

/// How an order is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Shown {
    /// As it is now.
    #[default]
    Now,
    /// As it was placed.
    AsPlaced,
}

impl Shown {
    /// Writes an order as a JSON object.
    ///
    /// # Errors
    /// Where what happened to it cannot be read.
    pub(crate) fn push(self, out: &mut Vec<u8>, row: &OrderRow) -> Result<(), ReadError> {
        let placed = Fact::of(row);
        match self {
            Self::AsPlaced => push_open_fact(out, &placed),
            Self::Now => push_now(out, &placed, &events(row)?),
        }
        out.push(b'}');
        Ok(())
    }
}

/// What happened to an order, by the times of its events.
pub(crate) fn events(row: &OrderRow) -> Result<StoredEvents<'_>, ReadError> {
    StoredEvents::read(row.events()).map_err(|error| ReadError::unreadable(row.key(), &error))
}

fn life(placed: &Fact<'_>, events: &StoredEvents<'_>) -> Life {
    match placed.sum {
        Sum::Total(..) => Life::of(placed.ordered_at, placed.items, events),
        Sum::Subtotal(_) => Life::of_part(placed.ordered_at, placed.items, events),
    }
}

/// Everything but the end of the object.
fn push_now(out: &mut Vec<u8>, placed: &Fact<'_>, events: &StoredEvents<'_>) {
    let life = life(placed, events);
    let members = Members::of(&life);
    let attributes = match placed.sum {
        Sum::Total(_, attributes) => attributes_now(attributes, &life, &members),
        Sum::Subtotal(_) => Cow::Borrowed("{}"),
    };
    let (items, sum) = match (&life.items, placed.sum) {
        (None, Sum::Total(total, _)) => (placed.items, Sum::Total(total, &attributes)),
        (None, subtotal @ Sum::Subtotal(_)) => (placed.items, subtotal),
        (Some(amended), Sum::Total(..)) => (&*amended.items, Sum::Total(amended.sum, &attributes)),
        (Some(amended), Sum::Subtotal(_)) => (&*amended.items, Sum::Subtotal(amended.sum)),
    };
    push_open_fact(out, &Fact { items, sum, ..*placed });
    members.push(out);
    if matches!(placed.sum, Sum::Subtotal(_)) && life.items.as_ref().is_some_and(Amended::is_nothing) {
        out.extend_from_slice(b",\"withdrawn\":true");
    }
}

/// What is told of an order's life, by name; a value as JSON.
struct Members(Vec<(&'static str, String)>);

impl Members {
    fn of(life: &Life) -> Self {
        let text = |text: &dyn std::fmt::Display| format!("\"{text}\"");
        let quantities = |quantities: &BTreeMap<String, i64>| serde_json::json!(quantities).to_string();
        let mut members = vec![("status", text(&life.status)), ("status_at", text(&life.status_at.in_full()))];
        members.extend(life.amended_at.map(|at| ("amended_at", text(&at.in_full()))));
        for (name, counted) in [("returned", &life.returned), ("returned_beyond", &life.returned_beyond)] {
            if !counted.is_empty() {
                members.push((name, quantities(counted)));
            }
        }
        members.extend(life.paid.map(|amount| ("paid", amount.to_string())));
        members.extend(life.refunded.map(|amount| ("refunded", amount.to_string())));
        Self(members)
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(member, _)| *member == name)
    }

    fn push(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.0 {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            out.extend_from_slice(value.as_bytes());
        }
    }
}

/// The further fields of an order: those that were amended as they are now, and none that would stand beside a member of the same name.
fn attributes_now<'a>(placed: &'a str, life: &Life, members: &Members) -> Cow<'a, str> {
    // A name that stands anywhere in the text is enough to look closely.
    let may_meet = members.0.iter().any(|(name, _)| placed.contains(name));
    if life.set.is_empty() && !may_meet {
        return Cow::Borrowed(placed);
    }
    let Ok(fields) = serde_json::from_str::<BTreeMap<String, &RawValue>>(placed) else { return Cow::Borrowed(placed) };
    let mut now: BTreeMap<&str, &str> = fields.iter().map(|(name, value)| (&**name, value.get())).collect();
    now.extend(life.set.iter().map(|(name, value)| (&**name, &**value)));
    now.retain(|name, _| !members.has(name));
    let mut text = vec![b'{'];
    for (place, (name, value)) in now.into_iter().enumerate() {
        if place > 0 {
            text.push(b',');
        }
        push_text(&mut text, name);
        text.push(b':');
        text.extend_from_slice(value.as_bytes());
    }
    text.push(b'}');
    Cow::Owned(String::from_utf8_lossy(&text).into_owned())
}

/// Writes what happened to an order as a JSON object with `data`, by the times of the events.
///
/// # Errors
/// Where that cannot be read.
pub(crate) fn push_timeline(out: &mut Vec<u8>, row: &OrderRow) -> Result<(), ReadError> {
    out.extend_from_slice(b"{\"order_id\":");
    push_text(out, row.order_id());
    out.extend_from_slice(b",\"customer_id\":");
    push_text(out, row.customer_id());
    out.extend_from_slice(b",\"data\":[");
    let (placed, mut events) = (Fact::of(row), events(row)?);
    if matches!(placed.sum, Sum::Subtotal(_)) {
        events = events.of_part(placed.items);
    }
    for (place, event) in events.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"event_id\":");
        push_text(out, &event.event_id);
        out.extend_from_slice(b",\"kind\":");
        push_text(out, event.kind.as_str());
        out.extend_from_slice(b",\"at\":\"");
        push_display(out, event.at.in_full());
        out.push(b'"');
        crate::answer::push_members(out, &event.content);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::Timestamp;
    use serde_json::{Value, json};

    fn now(sum: Sum<'_>, events: &Value) -> Value {
        let placed = Fact {
            order_id: "O",
            customer_id: "C",
            ordered_at: Timestamp::EARLIEST,
            kind: "sale",
            currency: "EUR",
            items: r#"[{"sku":"A","quantity":2,"price":5}]"#,
            sum,
        };
        let text = events.to_string();
        let mut out = Vec::new();
        push_now(&mut out, &placed, &StoredEvents::read(Some(&text)).unwrap());
        out.push(b'}');
        // Two members of one name would be an error here.
        let read: forebay_api::Order<Value> = serde_json::from_slice(&out).unwrap();
        serde_json::to_value(read).unwrap()
    }

    #[test]
    fn what_happened_stands_beside_the_order_and_over_fields_of_its_own_with_such_names() {
        let attributes = r#"{"status":"new","note":"a status","paid":7}"#;
        let order = now(Sum::Total(10, attributes), &json!([]));
        assert_eq!((&order["status"], &order["status_at"]), (&json!("placed"), &json!("2000-01-01T00:00:00.000000Z")));
        assert_eq!((&order["note"], &order["paid"]), (&json!("a status"), &json!(7)), "nothing says what was paid");
        let events = json!([
            ["1", "paid", 946_684_801_000_000i64, {"amount": 10}],
            ["2", "returned", 946_684_802_000_000i64, {"items": [{"sku": "A", "quantity": 3}]}],
        ]);
        let order = now(Sum::Total(10, attributes), &events);
        let expected = json!({"order_id": "O", "customer_id": "C", "timestamp": "2000-01-01T00:00:00.000000Z", "kind": "sale", "currency": "EUR",
            "items": [{"sku": "A", "quantity": 2, "price": 5}], "total": 10, "note": "a status",
            "status": "returned", "status_at": "2000-01-01T00:00:02.000000Z", "returned": {"A": 3}, "returned_beyond": {"A": 1},
            "paid": 10});
        assert_eq!(order, expected);
    }

    #[test]
    fn an_amended_order_is_shown_as_it_is_now() {
        let items = json!([{"sku": "B", "quantity": 1, "price": 3}]);
        let events = json!([["1", "amended", 946_684_801_000_000i64, {"items": items, "set": {"a": [2], "b": 1.50}}]]);
        let order = now(Sum::Total(10, r#"{"a":1,"c":3}"#), &events);
        assert_eq!(
            (&order["items"], &order["total"], &order["amended_at"]),
            (&items, &json!(3), &json!("2000-01-01T00:00:01.000000Z"))
        );
        assert_eq!((&order["a"], &order["b"], &order["c"]), (&json!([2]), &json!(1.5), &json!(3)));
    }

    #[test]
    fn a_key_whose_items_are_gone_is_told_so() {
        let events = json!([["1", "amended", 946_684_801_000_000i64, {"items": []}]]);
        let order = now(Sum::Subtotal(10), &events);
        assert_eq!((&order["withdrawn"], &order["subtotal"], &order["items"]), (&json!(true), &json!(0), &json!([])));
        assert_eq!(now(Sum::Subtotal(10), &json!([])).get("withdrawn"), None);
    }
}
