//! Rows as they come from Postgres: read in place, in the binary format, nothing copied.

use forebay_model::{Incarnation, Position, Timestamp};
use sqlx::Row;
use sqlx::postgres::{PgRow, PgValueFormat};

use crate::answer::{Fact, Sum};
use crate::key::KeyRef;
use crate::statement::column;

/// A row of a statement of [`statement`](crate::statement).
#[derive(Debug)]
pub(crate) enum AnyRow {
    /// The lane's position in the snapshot.
    Position(Position),
    /// A fact.
    Fact(FactRow),
}

/// A fact's row.
#[derive(Debug)]
pub(crate) struct FactRow {
    row: PgRow,
    ordered_at: Timestamp,
}

impl AnyRow {
    pub(crate) fn of(row: PgRow) -> Result<Self, sqlx::Error> {
        if let Some(incarnation) = number(&row, column::INCARNATION)? {
            let seq = number(&row, column::NUMBER)?.ok_or_else(|| decode("a position without a sequence number"))?;
            let incarnation = Incarnation::new(incarnation.cast_unsigned());
            return Ok(Self::Position(Position { incarnation, seq: seq.cast_unsigned() }));
        }
        let ordered_at = number(&row, column::ORDERED_AT)?
            .and_then(Timestamp::from_postgres_us)
            .ok_or_else(|| decode("a fact without a time"))?;
        // What is checked here once is taken for granted by whoever reads the row.
        for id in [column::ORDER_ID, column::CUSTOMER_ID] {
            let bytes = bytes(&row, id)?.ok_or_else(|| decode("a fact without an id"))?;
            std::str::from_utf8(bytes).map_err(|error| sqlx::Error::Decode(error.into()))?;
        }
        let has_sum = number(&row, column::NUMBER)?.is_some();
        let has_items = jsonb(&row, column::ITEMS)?.is_some();
        jsonb(&row, column::ATTRIBUTES)?;
        if has_sum != has_items {
            return Err(decode("a fact without items or without their sum"));
        }
        Ok(Self::Fact(FactRow { row, ordered_at }))
    }
}

impl FactRow {
    pub(crate) fn ordered_at(&self) -> Timestamp {
        self.ordered_at
    }

    pub(crate) fn order_id(&self) -> &str {
        self.text(column::ORDER_ID)
    }

    pub(crate) fn customer_id(&self) -> &str {
        self.text(column::CUSTOMER_ID)
    }

    pub(crate) fn key(&self) -> KeyRef<'_> {
        KeyRef { ordered_at: self.ordered_at, order_id: self.order_id(), customer_id: self.customer_id() }
    }

    /// How many bytes its large columns have.
    pub(crate) fn bytes(&self) -> usize {
        self.jsonb(column::ITEMS).map_or(0, <[u8]>::len) + self.jsonb(column::ATTRIBUTES).map_or(0, <[u8]>::len)
    }

    /// The parts of its JSON. Only whole orders have attributes.
    pub(crate) fn fact(&self) -> Fact<'_> {
        let number = number(&self.row, column::NUMBER).ok().flatten().unwrap_or_default();
        Fact {
            order_id: self.order_id(),
            customer_id: self.customer_id(),
            ordered_at: self.ordered_at,
            items: self.jsonb(column::ITEMS).unwrap_or(b"[]"),
            sum: self.jsonb(column::ATTRIBUTES).map_or(Sum::Subtotal(number), |more| Sum::Total(number, more)),
        }
    }

    fn text(&self, column: usize) -> &str {
        let bytes = bytes(&self.row, column).ok().flatten().unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    fn jsonb(&self, column: usize) -> Option<&[u8]> {
        jsonb(&self.row, column).ok().flatten()
    }
}

/// A column's bytes; `None` for NULL.
fn bytes(row: &PgRow, column: usize) -> Result<Option<&[u8]>, sqlx::Error> {
    let value = row.try_get_raw(column)?;
    if value.format() != PgValueFormat::Binary {
        return Err(decode("a column in text format"));
    }
    // The client library's only error here is the one for NULL.
    Ok(value.as_bytes().ok())
}

/// A column of eight bytes, such as `bigint` and `timestamptz`.
fn number(row: &PgRow, column: usize) -> Result<Option<i64>, sqlx::Error> {
    let eight = |bytes: &[u8]| bytes.try_into().map(i64::from_be_bytes).map_err(|_| decode("a number of another size"));
    bytes(row, column)?.map(eight).transpose()
}

/// The text of a `jsonb`: behind its version byte, which is 1.
fn jsonb(row: &PgRow, column: usize) -> Result<Option<&[u8]>, sqlx::Error> {
    match bytes(row, column)? {
        None => Ok(None),
        Some([1, text @ ..]) => Ok(Some(text)),
        Some(_) => Err(decode("a jsonb of another version than 1")),
    }
}

fn decode(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}
