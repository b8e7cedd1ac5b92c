//! An order with every column that it is stored with, against the tuple that it makes now.
//!
//! Whether two facts are the same is for Postgres to say. But what is the same text is the same value, and nearly all of what is
//! stored is; so only the rest is asked for.

use forebay_model::Lane;
use forebay_model::tuple::{Tuple, Tuples};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::snapshot::{Cursor, Portion, Snapshot};
use crate::read::stored_order::{COLUMNS, StoredOrder};

/// An order as a shard has it.
#[derive(Clone, Debug)]
pub struct WholeOrder {
    /// What facts follow from.
    pub order: StoredOrder,
    total: i64,
}

impl Snapshot {
    /// Opens a cursor over the orders.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn orders(&mut self, portion: Portion) -> Result<Cursor<WholeOrder>, sqlx::Error> {
        let from = portion.of_table(Lane::Orders.table());
        self.declare(&format!("select {COLUMNS}, orders.total from {from}"), WholeOrder::from_row).await
    }
}

impl WholeOrder {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { order: StoredOrder::from_row(row)?, total: row.try_get("total")? })
    }

    /// About how many bytes it has.
    pub fn bytes(&self) -> usize {
        let StoredOrder { key, items, attributes, .. } = &self.order;
        [&key.order_id, &key.customer_id, items, attributes].into_iter().map(String::len).sum()
    }

    /// Whether a tuple of lane `orders` is certainly what is stored. `false` says nothing.
    pub fn is(&self, tuple: &[u8]) -> bool {
        let Some(Ok(tuple)) = Tuples::new(Lane::Orders, tuple).next() else { return false };
        Lane::Orders.columns().iter().all(|column| self.has(column.name, &tuple))
    }

    fn has(&self, column: &str, tuple: &Tuple<'_>) -> bool {
        let Some(found) = tuple.named(column) else { return false };
        let StoredOrder { key, bucket, kind, currency, items, attributes, events: _ } = &self.order;
        match column {
            "bucket" => *found == bucket.to_be_bytes(),
            "tenant" => *found == *key.tenant.as_str().as_bytes(),
            "customer_id" => *found == *key.customer_id.as_bytes(),
            "ordered_at" => tuple.ordered_at() == key.ordered_at,
            "order_id" => *found == *key.order_id.as_bytes(),
            "kind" => *found == *kind.as_bytes(),
            "currency" => *found == *currency.as_bytes(),
            "total" => *found == self.total.to_be_bytes(),
            "items" => is_same_json(found, items.as_bytes()),
            "attributes" => is_same_json(found, attributes.as_bytes()),
            _ => false,
        }
    }
}

/// Whether two JSON texts are the same but for white space between their tokens.
fn is_same_json(one: &[u8], other: &[u8]) -> bool {
    one == other || tokens(one).eq(tokens(other))
}

/// The bytes of a JSON text without the white space between its tokens. Two numbers are never neighbours, so none merge.
fn tokens(json: &[u8]) -> impl Iterator<Item = u8> {
    let (mut is_within, mut is_escaped) = (false, false);
    json.iter().copied().filter(move |&byte| {
        if !is_within {
            is_within = byte == b'"';
            return !matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        }
        is_within = is_escaped || byte != b'"';
        is_escaped = byte == b'\\' && !is_escaped;
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_between_tokens_makes_no_difference_and_everything_else_does() {
        let same = |one: &str, other: &str| is_same_json(one.as_bytes(), other.as_bytes());
        assert!(same(r#"{"a": [1, 2.0], "b c": "d \" e"}"#, "{\"a\":[1,2.0],\n\"b c\":\"d \\\" e\"}"));
        for (one, other) in [
            (r#"{"a":1}"#, r#"{"a":2}"#),
            (r#"{"a":1}"#, r#"{"a":1.0}"#),
            (r#"{"a b":1}"#, r#"{"ab":1}"#),
            (r#"{"a":"b c"}"#, r#"{"a":"bc"}"#),
            (r#"{"a":"\" b"}"#, r#"{"a":"\"b"}"#),
            (r#"{"a":"\\","b":" "}"#, r#"{"a":"\\","b":""}"#),
            ("[]", "[] x"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }
}
