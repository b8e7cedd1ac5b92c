//! An order as a shard has it, and as a client could have sent it.

use std::collections::HashSet;
use std::fmt;

use anyhow::Result;
use forebay_model::tuple::Tuple;
use forebay_model::{Bucket, Lane, Timestamp};
use forebay_shard::Timestamptz;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};

/// What [`StoredOrder::from_row`] reads, in this order, of the table `orders`.
pub(crate) const COLUMNS: &str =
    "orders.ordered_at, orders.order_id, orders.customer_id, orders.items::text, orders.attributes::text";

/// An order as a shard has it.
#[derive(Clone, Debug)]
pub(crate) struct StoredOrder {
    pub(crate) ordered_at: Timestamp,
    pub(crate) order_id: String,
    pub(crate) customer_id: String,
    pub(crate) items: String,
    pub(crate) attributes: String,
}

/// The identity of an order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OrderKey {
    pub(crate) ordered_at: Timestamp,
    pub(crate) order_id: String,
    pub(crate) customer_id: String,
}

impl fmt::Display for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "order {} of customer {} at {}", self.order_id, self.customer_id, self.ordered_at)
    }
}

impl OrderKey {
    /// Reads it from a tuple of a lane.
    ///
    /// # Errors
    /// What of it cannot be read, as a sentence about the tuple.
    pub(crate) fn of_tuple(lane: Lane, tuple: &Tuple<'_>) -> Result<Self, String> {
        Ok(Self {
            ordered_at: time(tuple)?,
            order_id: text(lane, tuple, "order_id")?,
            customer_id: text(lane, tuple, "customer_id")?,
        })
    }

    /// Reads it from a row that has time, order id and customer from that column on.
    pub(crate) fn from_row(row: &PgRow, from: usize) -> Result<Self> {
        Ok(Self {
            ordered_at: row.try_get::<Timestamptz, _>(from)?.0,
            order_id: row.try_get(from + 1)?,
            customer_id: row.try_get(from + 2)?,
        })
    }
}

impl StoredOrder {
    /// Reads the first columns of a row: [`COLUMNS`].
    pub(crate) fn from_row(row: &PgRow) -> Result<Self> {
        Ok(Self {
            ordered_at: row.try_get::<Timestamptz, _>(0)?.0,
            order_id: row.try_get(1)?,
            customer_id: row.try_get(2)?,
            items: row.try_get(3)?,
            attributes: row.try_get(4)?,
        })
    }

    /// Reads it from a tuple of lane `orders`, whether it is stored or not.
    ///
    /// # Errors
    /// What of it cannot be read, as a sentence about the tuple.
    pub(crate) fn of_tuple(tuple: &Tuple<'_>) -> Result<Self, String> {
        let OrderKey { ordered_at, order_id, customer_id } = OrderKey::of_tuple(Lane::Orders, tuple)?;
        let (items, attributes) = (text(Lane::Orders, tuple, "items")?, text(Lane::Orders, tuple, "attributes")?);
        Ok(Self { ordered_at, order_id, customer_id, items, attributes })
    }

    /// Its identity.
    pub(crate) fn key(&self) -> OrderKey {
        let Self { ordered_at, order_id, customer_id, .. } = self;
        OrderKey { ordered_at: *ordered_at, order_id: order_id.clone(), customer_id: customer_id.clone() }
    }

    /// The order as a client could send it.
    pub(crate) fn json(&self) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let (customer_id, order_id) = (quoted(&self.customer_id), quoted(&self.order_id));
        let rest = self.attributes.trim().trim_start_matches('{').trim_end();
        let separator = if rest.trim_start() == "}" { "" } else { "," };
        format!(
            r#"{{"customer_id":{customer_id},"order_id":{order_id},"timestamp":"{}","items":{}{separator}{rest}"#,
            self.ordered_at, self.items
        )
    }
}

/// The orders with these identities that lie on a shard, in these buckets.
pub(crate) async fn find(connection: &mut PgConnection, wanted: &[(Bucket, OrderKey)]) -> Result<Vec<StoredOrder>> {
    rows(connection, COLUMNS, wanted).await?.iter().map(StoredOrder::from_row).collect()
}

/// Those of these identities that lie on a shard, in these buckets.
pub(crate) async fn keys(connection: &mut PgConnection, wanted: &[(Bucket, OrderKey)]) -> Result<HashSet<OrderKey>> {
    let columns = "orders.ordered_at, orders.order_id, orders.customer_id";
    rows(connection, columns, wanted).await?.iter().map(|row| OrderKey::from_row(row, 0)).collect()
}

async fn rows(connection: &mut PgConnection, columns: &str, wanted: &[(Bucket, OrderKey)]) -> Result<Vec<PgRow>> {
    // One look at the primary key for each, whatever the planner thinks of tables that it has no figures of; the bounds leave
    // out every partition that there is nothing for.
    let sql = format!(
        "select found.* from unnest($1::int2[], $2::text[], $3::timestamptz[], $4::text[]) \
            as wanted(bucket, customer_id, ordered_at, order_id) \
         cross join lateral (select {columns} from orders where orders.bucket = wanted.bucket \
            and orders.customer_id = wanted.customer_id and orders.ordered_at = wanted.ordered_at \
            and orders.order_id = wanted.order_id and orders.ordered_at between $5 and $6 limit 1) as found"
    );
    let times = || wanted.iter().map(|(_, key)| key.ordered_at);
    let (Some(earliest), Some(latest)) = (times().min(), times().max()) else { return Ok(Vec::new()) };
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(wanted.iter().map(|(bucket, _)| bucket.number().cast_signed()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|(_, key)| key.customer_id.as_str()).collect::<Vec<_>>())
        .bind(times().map(Timestamptz).collect::<Vec<_>>())
        .bind(wanted.iter().map(|(_, key)| key.order_id.as_str()).collect::<Vec<_>>())
        .bind(Timestamptz(earliest))
        .bind(Timestamptz(latest))
        .fetch_all(connection)
        .await;
    Ok(rows?)
}

/// A time outside the years that can be written would be read as another one.
fn time(tuple: &Tuple<'_>) -> Result<Timestamp, String> {
    let at = tuple.ordered_at();
    match Timestamp::parse(&at.to_string()) {
        Ok(same) if same == at => Ok(at),
        _ => Err(format!("its time is {at}, which no order can have")),
    }
}

fn text(lane: Lane, tuple: &Tuple<'_>, column: &str) -> Result<String, String> {
    let place = lane.columns().iter().position(|known| known.name == column);
    let bytes = place.map(|place| tuple.field(place)).unwrap_or_default();
    str::from_utf8(bytes).map(str::to_owned).map_err(|_| format!("its {column} is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn order(attributes: &str) -> StoredOrder {
        StoredOrder {
            ordered_at: Timestamp::EARLIEST,
            order_id: "O\"1".to_owned(),
            customer_id: "C".to_owned(),
            items: "[]".to_owned(),
            attributes: attributes.to_owned(),
        }
    }

    #[test]
    fn a_stored_order_is_an_order_again() {
        let fixed = json!({"customer_id": "C", "order_id": "O\"1", "timestamp": "2000-01-01T00:00:00Z", "items": []});
        assert_eq!(serde_json::from_str::<serde_json::Value>(&order("{}").json()).unwrap(), fixed);
        let mut expected = fixed;
        expected["a"] = json!({"b": {}});
        assert_eq!(serde_json::from_str::<serde_json::Value>(&order(r#"{"a": {"b": {}}}"#).json()).unwrap(), expected);
    }
}
