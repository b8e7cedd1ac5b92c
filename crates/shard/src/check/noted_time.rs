//! The times that are noted of orders: the table `order_time` is what keeps a second order with the same customer and id out.

use std::collections::HashMap;

use forebay_model::{Bucket, Timestamp};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::snapshot::{Cursor, Portion, Snapshot};
use crate::read::order_key::OrderKey;
use crate::timestamptz::Timestamptz;

/// The table that has them.
pub const NOTED_TIMES: &str = "order_time";

/// A customer's order id that more than one stored order has.
#[derive(Clone, Debug)]
pub struct StoredTwice {
    /// Whose.
    pub customer_id: String,
    /// Which id.
    pub order_id: String,
    /// How many orders have it.
    pub times: i64,
    /// The time of the first of them.
    pub first: Timestamp,
    /// The time of the last.
    pub last: Timestamp,
}

impl StoredTwice {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            customer_id: row.try_get(0)?,
            order_id: row.try_get(1)?,
            times: row.try_get(2)?,
            first: row.try_get::<Timestamptz, _>(3)?.0,
            last: row.try_get::<Timestamptz, _>(4)?.0,
        })
    }
}

impl Snapshot {
    /// How many times are noted.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn noted_times(&mut self) -> Result<u64, sqlx::Error> {
        self.rows_of(NOTED_TIMES).await
    }

    /// Opens a cursor over the orders whose times are noted, with these times.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn orders_of_noted_times(&mut self, portion: Portion) -> Result<Cursor<OrderKey>, sqlx::Error> {
        self.keys(NOTED_TIMES, portion).await
    }

    /// Opens a cursor over each id of a customer that more than one stored order has, whatever its noted time is.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn stored_twice(&mut self) -> Result<Cursor<StoredTwice>, sqlx::Error> {
        const SQL: &str = "select customer_id, order_id, count(*), min(ordered_at), max(ordered_at) from orders \
            group by tenant, customer_id, order_id having count(*) > 1 order by 1, 2";
        self.declare(SQL, StoredTwice::from_row).await
    }

    /// The noted times of orders, by their identities with the earliest time in the place of their own.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn times_of(
        &mut self,
        wanted: &[(Bucket, OrderKey)],
    ) -> Result<HashMap<OrderKey, Timestamp>, sqlx::Error> {
        // One look at the primary key for each, whatever the planner thinks of a table that it has no figures of.
        const SQL: &str = "select found.* from unnest($1::int2[], $2::text[], $3::text[], $4::text[]) \
                as wanted(bucket, tenant, order_id, customer_id) \
            cross join lateral (select t.ordered_at, t.order_id, t.customer_id, t.tenant from order_time t \
                where t.bucket = wanted.bucket and t.tenant = wanted.tenant and t.order_id = wanted.order_id \
                and t.customer_id = wanted.customer_id limit 1) as found";
        let rows = sqlx::query(SQL)
            .bind(wanted.iter().map(|(bucket, _)| bucket.number().cast_signed()).collect::<Vec<_>>())
            .bind(wanted.iter().map(|(_, key)| key.tenant.as_str()).collect::<Vec<_>>())
            .bind(wanted.iter().map(|(_, key)| key.order_id.as_str()).collect::<Vec<_>>())
            .bind(wanted.iter().map(|(_, key)| key.customer_id.as_str()).collect::<Vec<_>>())
            .fetch_all(&mut self.connection)
            .await?;
        let noted = |row: &PgRow| {
            let mut key = OrderKey::from_row(row, 0)?;
            let at = std::mem::replace(&mut key.ordered_at, Timestamp::EARLIEST);
            Ok((key, at))
        };
        rows.iter().map(noted).collect()
    }
}
