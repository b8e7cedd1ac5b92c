//! Rows as they come from Postgres, in the binary format: their texts are copied once, JSON without its white space, and nothing is
//! parsed.

use forebay_model::Timestamp;
use sqlx::Row as _;
use sqlx::postgres::{PgRow, PgValueFormat};

use super::key::KeyRef;
use super::sql::column;

/// The first of the parts of a row that are JSON.
const FIRST_JSON: usize = 4;

/// A fact's row, with its texts behind one another: a list looks at them often.
#[derive(Debug)]
pub struct OrderRow {
    ordered_at: Timestamp,
    sum: i64,
    /// Order id, customer id, kind, currency, items and, of whole orders, attributes.
    text: Box<str>,
    order_id_end: usize,
    customer_id_end: usize,
    kind_end: usize,
    currency_end: usize,
    items_end: usize,
    has_attributes: bool,
    /// What happened to it.
    events: Option<Box<str>>,
}

impl OrderRow {
    pub(in crate::read) fn of(row: &PgRow) -> Result<Self, sqlx::Error> {
        let ordered_at = number(row, column::ORDERED_AT)?
            .and_then(Timestamp::from_postgres_us)
            .ok_or_else(|| decode("a fact without a time"))?;
        let id = |column| bytes(row, column)?.ok_or_else(|| decode("a fact without an id"));
        // An index entry has neither kind nor currency nor items nor attributes.
        let attributes = jsonb(row, column::ATTRIBUTES)?;
        let parts = [
            id(column::ORDER_ID)?,
            id(column::CUSTOMER_ID)?,
            bytes(row, column::KIND)?.unwrap_or_default(),
            bytes(row, column::CURRENCY)?.unwrap_or_default(),
            jsonb(row, column::ITEMS)?.unwrap_or_default(),
            attributes.unwrap_or_default(),
        ];
        let events = jsonb(row, column::EVENTS)?.map(std::str::from_utf8).transpose();
        let events = events.map_err(|error| sqlx::Error::Decode(error.into()))?;
        let mut text = String::with_capacity(parts.iter().map(|part| part.len()).sum());
        let mut ends = [0; 6];
        for (place, (part, end)) in parts.into_iter().zip(&mut ends).enumerate() {
            let part = std::str::from_utf8(part).map_err(|error| sqlx::Error::Decode(error.into()))?;
            if place < FIRST_JSON {
                text.push_str(part);
            } else {
                push_compact(&mut text, part);
            }
            *end = text.len();
        }
        let [order_id_end, customer_id_end, kind_end, currency_end, items_end, _] = ends;
        Ok(Self {
            ordered_at,
            sum: number(row, column::NUMBER)?.unwrap_or_default(),
            order_id_end,
            customer_id_end,
            kind_end,
            currency_end,
            items_end,
            has_attributes: attributes.is_some(),
            text: text.into(),
            events: events.map(Box::from),
        })
    }

    /// The order's time.
    pub fn ordered_at(&self) -> Timestamp {
        self.ordered_at
    }

    /// Its id.
    pub fn order_id(&self) -> &str {
        &self.text[..self.order_id_end]
    }

    /// Its customer.
    pub fn customer_id(&self) -> &str {
        &self.text[self.order_id_end..self.customer_id_end]
    }

    /// Where it stands in a list.
    pub fn key(&self) -> KeyRef<'_> {
        KeyRef { ordered_at: self.ordered_at, order_id: self.order_id(), customer_id: self.customer_id() }
    }

    /// How many bytes its texts have.
    pub fn bytes(&self) -> usize {
        self.text.len() + self.events.as_ref().map_or(0, |events| events.len())
    }

    /// What happened to it, as [`StoredEvents`](forebay_model::StoredEvents) reads it; `None` where nothing did.
    pub fn events(&self) -> Option<&str> {
        self.events.as_deref()
    }

    /// `sale` or `return`; empty of an index entry.
    pub fn kind(&self) -> &str {
        &self.text[self.customer_id_end..self.kind_end]
    }

    /// What its prices and sums are in; empty of an index entry.
    pub fn currency(&self) -> &str {
        &self.text[self.kind_end..self.currency_end]
    }

    /// Its total, or in a view its subtotal.
    pub fn sum(&self) -> i64 {
        self.sum
    }

    /// The text of a JSON array.
    pub fn items(&self) -> &str {
        &self.text[self.currency_end..self.items_end]
    }

    /// The text of a JSON object: the further fields of a whole order.
    pub fn attributes(&self) -> Option<&str> {
        self.has_attributes.then(|| &self.text[self.items_end..])
    }
}

/// A column's bytes; `None` for NULL.
pub(super) fn bytes(row: &PgRow, column: usize) -> Result<Option<&[u8]>, sqlx::Error> {
    let value = row.try_get_raw(column)?;
    if value.format() != PgValueFormat::Binary {
        return Err(decode("a column in text format"));
    }
    // The client library's only error here is the one for NULL.
    Ok(value.as_bytes().ok())
}

/// A column of eight bytes, such as `bigint` and `timestamptz`.
pub(super) fn number(row: &PgRow, column: usize) -> Result<Option<i64>, sqlx::Error> {
    let eight = |bytes: &[u8]| bytes.try_into().map(i64::from_be_bytes).map_err(|_| decode("a number of another size"));
    bytes(row, column)?.map(eight).transpose()
}

/// The text of a `jsonb`: behind its version byte, which is 1.
pub(super) fn jsonb(row: &PgRow, column: usize) -> Result<Option<&[u8]>, sqlx::Error> {
    match bytes(row, column)? {
        None => Ok(None),
        Some([1, text @ ..]) => Ok(Some(text)),
        Some(_) => Err(decode("a jsonb of another version than 1")),
    }
}

/// Pushes the text of a `jsonb` without the spaces that Postgres puts behind commas and colons.
fn push_compact(out: &mut String, json: &str) {
    let (mut from, mut in_text, mut is_escaped) = (0, false, false);
    for (at, byte) in json.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_text,
            b'"' => in_text = !in_text,
            b' ' if !in_text => {
                out.push_str(&json[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    out.push_str(&json[from..]);
}

pub(super) fn decode(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_go_from_between_values_and_stay_in_texts() {
        for (json, compact) in [
            (
                r#"{"a b": [1, 2.50, "c, d: \" e\\", {"f": null}], "g": " \\" }"#,
                r#"{"a b":[1,2.50,"c, d: \" e\\",{"f":null}],"g":" \\"}"#,
            ),
            ("[]", "[]"),
            (r#""ä \n ö""#, r#""ä \n ö""#),
        ] {
            let mut out = String::new();
            push_compact(&mut out, json);
            assert_eq!(out, compact);
        }
    }
}
