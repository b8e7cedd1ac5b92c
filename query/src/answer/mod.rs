//! Answers as JSON. What Postgres gives as the text of a `jsonb` is spliced in as it is: nothing is parsed on the way
//! out.

pub(crate) mod life;
pub(crate) mod totals;

use std::collections::BTreeMap;

use forebay_model::{ShardId, Timestamp};
use forebay_shard::read::OrderRow;

/// An order, or what one key of a view sees of it, as the parts that its JSON is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fact<'a> {
    pub(crate) order_id: &'a str,
    pub(crate) customer_id: &'a str,
    pub(crate) ordered_at: Timestamp,
    /// `sale` or `return`.
    pub(crate) kind: &'a str,
    /// Three letters.
    pub(crate) currency: &'a str,
    /// The text of a JSON array.
    pub(crate) items: &'a str,
    pub(crate) sum: Sum<'a>,
}

/// What the items come to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sum<'a> {
    /// Of the whole order, with the text of a JSON object of its further fields.
    Total(i64, &'a str),
    /// Of the items that the key of a view sees.
    Subtotal(i64),
}

impl<'a> Fact<'a> {
    /// The parts of a row.
    pub(crate) fn of(row: &'a OrderRow) -> Self {
        let sum = row.attributes().map_or(Sum::Subtotal(row.sum()), |attributes| Sum::Total(row.sum(), attributes));
        let (order_id, customer_id) = (row.order_id(), row.customer_id());
        let (ordered_at, kind, currency, items) = (row.ordered_at(), row.kind(), row.currency(), row.items());
        Self { order_id, customer_id, ordered_at, kind, currency, items, sum }
    }
}

/// Writes one order as it was placed, as a JSON object.
pub(crate) fn push_fact(out: &mut Vec<u8>, fact: &Fact<'_>) {
    push_open_fact(out, fact);
    out.push(b'}');
}

/// The same without the end of the object.
pub(crate) fn push_open_fact(out: &mut Vec<u8>, fact: &Fact<'_>) {
    out.extend_from_slice(b"{\"order_id\":");
    push_text(out, fact.order_id);
    out.extend_from_slice(b",\"customer_id\":");
    push_text(out, fact.customer_id);
    out.extend_from_slice(b",\"timestamp\":\"");
    push_display(out, fact.ordered_at.in_full());
    out.extend_from_slice(b"\",\"kind\":\"");
    out.extend_from_slice(fact.kind.as_bytes());
    out.extend_from_slice(b"\",\"currency\":\"");
    out.extend_from_slice(fact.currency.as_bytes());
    out.extend_from_slice(b"\",\"items\":");
    out.extend_from_slice(fact.items.as_bytes());
    match fact.sum {
        Sum::Total(total, attributes) => {
            out.extend_from_slice(b",\"total\":");
            push_display(out, total);
            push_members(out, attributes);
        }
        Sum::Subtotal(subtotal) => {
            out.extend_from_slice(b",\"subtotal\":");
            push_display(out, subtotal);
        }
    }
}

/// Begins a list: `{"data":[`. Orders follow, separated by commas, then [`push_list_end`].
pub(crate) const LIST_START: &[u8] = b"{\"data\":[";

/// Ends what was found for ids behind its last order.
pub(crate) fn push_looked_up_end(out: &mut Vec<u8>, ambiguous: &BTreeMap<&str, Vec<&str>>, missing: &[ShardId]) {
    out.extend_from_slice(b"],\"ambiguous\":");
    // Texts are JSON, and a Vec takes everything.
    let _ = serde_json::to_writer(&mut *out, ambiguous);
    push_missing(out, missing);
}

/// Ends a list behind its last order.
pub(crate) fn push_list_end(out: &mut Vec<u8>, next_cursor: Option<&str>, missing: &[ShardId]) {
    out.extend_from_slice(b"],\"has_more\":");
    match next_cursor {
        // A cursor has no character that JSON would escape.
        Some(cursor) => {
            out.extend_from_slice(b"true,\"next_cursor\":\"");
            out.extend_from_slice(cursor.as_bytes());
            out.push(b'"');
        }
        None => out.extend_from_slice(b"false,\"next_cursor\":null"),
    }
    push_missing(out, missing);
}

fn push_missing(out: &mut Vec<u8>, missing: &[ShardId]) {
    out.extend_from_slice(b",\"shards_missing\":[");
    for (place, shard) in missing.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        push_display(out, shard);
    }
    out.extend_from_slice(b"]}");
}

/// The members of a JSON object, each behind a comma.
pub(crate) fn push_members(out: &mut Vec<u8>, object: &str) {
    let inner = object.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    if !inner.trim().is_empty() {
        out.push(b',');
        out.extend_from_slice(inner.as_bytes());
    }
}

/// A JSON string. Ids have no control characters, but a cautious writer escapes them too.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
    }
}

pub(crate) fn push_display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    use std::io::Write;
    // Writing into a Vec cannot fail.
    let _ = write!(out, "{value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_api::{Order, Page};
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    /// What was written by hand, as a reader takes it: nothing more, nothing less than the type of the interface has.
    fn read<T: Serialize + DeserializeOwned>(out: &[u8]) -> Value {
        let written: Value =
            serde_json::from_slice(out).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(out)));
        let read: T = serde_json::from_slice(out).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), written);
        written
    }

    fn parsed(fact: &Fact<'_>) -> Value {
        let mut out = Vec::new();
        push_fact(&mut out, fact);
        read::<Order<Value>>(&out)
    }

    fn fact(sum: Sum<'_>) -> Fact<'_> {
        Fact {
            order_id: "a\"\\b",
            customer_id: "Ünï",
            ordered_at: Timestamp::from_unix_us(1_751_286_600_000_000),
            kind: "return",
            currency: "GBP",
            items: "[{\"sku\": \"x\"}]",
            sum,
        }
    }

    #[test]
    fn further_fields_stand_beside_the_known_ones() {
        let expected = json!({"order_id": "a\"\\b", "customer_id": "Ünï", "timestamp": "2025-06-30T12:30:00.000000Z", "kind": "return",
            "currency": "GBP", "items": [{"sku": "x"}], "total": -5});
        assert_eq!(parsed(&fact(Sum::Total(-5, "{}"))), expected);
        let mut with_more = expected;
        with_more["a"] = json!({"b": [1]});
        with_more["c"] = json!("}{");
        assert_eq!(parsed(&fact(Sum::Total(-5, r#"{"a": {"b": [1]}, "c": "}{"}"#))), with_more);
    }

    #[test]
    fn a_view_shows_its_subtotal() {
        let value = parsed(&fact(Sum::Subtotal(7)));
        assert_eq!((&value["subtotal"], &value["currency"], value.get("total")), (&json!(7), &json!("GBP"), None));
    }

    #[test]
    fn a_list_ends_with_where_to_go_on_and_what_is_missing() {
        let ended = |cursor, missing: &[ShardId]| {
            let mut out = LIST_START.to_vec();
            push_list_end(&mut out, cursor, missing);
            read::<Page<Order<Value>>>(&out)
        };
        assert_eq!(ended(None, &[]), json!({"data": [], "has_more": false, "next_cursor": null, "shards_missing": []}));
        assert_eq!(
            ended(Some("Ab_-"), &[ShardId(0), ShardId(12)]),
            json!({"data": [], "has_more": true, "next_cursor": "Ab_-", "shards_missing": [0, 12]})
        );
    }
}
