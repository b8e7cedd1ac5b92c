//! Pages of stored orders, in the order of (time, order id, customer).

use anyhow::Result;
use forebay_model::Timestamp;
use forebay_shard::{PoolSettings, ShardPool, Timestamptz};
use sqlx::Row;

/// An order as a shard has it.
#[derive(Clone, Debug)]
pub(super) struct StoredOrder {
    pub(super) ordered_at: Timestamp,
    pub(super) order_id: String,
    pub(super) customer_id: String,
    items: String,
    attributes: String,
}

/// A place between two orders: behind the one with this key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) ordered_at: Timestamp,
    pub(super) order_id: String,
    pub(super) customer_id: String,
}

/// Along the index by time, whatever the planner thinks of a table that it has no figures of.
pub(super) fn pool_settings() -> PoolSettings {
    PoolSettings {
        application_name: "forebay-backfill".to_owned(),
        connections_max: 2,
        parameters: vec![("enable_seqscan", "off"), ("enable_bitmapscan", "off"), ("jit", "off")],
        ..PoolSettings::default()
    }
}

/// The orders behind a place.
pub(super) async fn page(pool: &ShardPool, behind: &Place, limit: i64) -> Result<Vec<StoredOrder>> {
    const SQL: &str = "select ordered_at, order_id, customer_id, items::text, attributes::text from orders \
        where ordered_at >= $1 and (ordered_at, order_id, customer_id) > ($1, $2, $3) \
        order by ordered_at, order_id, customer_id limit $4";
    let mut connection = pool.acquire().await?;
    let rows = sqlx::query(SQL)
        .bind(Timestamptz(behind.ordered_at))
        .bind(&behind.order_id)
        .bind(&behind.customer_id)
        .bind(limit)
        .fetch_all(&mut *connection)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(StoredOrder {
                ordered_at: row.try_get::<Timestamptz, _>(0)?.0,
                order_id: row.try_get(1)?,
                customer_id: row.try_get(2)?,
                items: row.try_get(3)?,
                attributes: row.try_get(4)?,
            })
        })
        .collect()
}

impl Place {
    /// Before every order.
    pub(super) fn start() -> Self {
        Self { ordered_at: Timestamp::EARLIEST, order_id: String::new(), customer_id: String::new() }
    }

    /// Behind an order.
    pub(super) fn of(order: &StoredOrder) -> Self {
        let StoredOrder { ordered_at, order_id, customer_id, .. } = order;
        Self { ordered_at: *ordered_at, order_id: order_id.clone(), customer_id: customer_id.clone() }
    }
}

impl StoredOrder {
    /// The order as a client could send it.
    pub(super) fn json(&self) -> String {
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
