//! How far a shard's orders have been filled in, kept in the shard's own database.

use anyhow::Result;
use forebay_shard::read::orders::OrderKey;
use forebay_shard::{ShardPool, Timestamptz};
use sqlx::Row;

/// How far a job has come on one shard.
pub(super) struct Progress {
    job: String,
    pub(super) place: OrderKey,
    orders: u64,
}

impl Progress {
    /// Where an earlier run of the job has ended, or the start.
    pub(super) async fn load(pool: &ShardPool, job: &str, restart: bool) -> Result<Self> {
        const SQL: &str = "select ordered_at, order_id, customer_id, tenant, orders from backfill where job = $1";
        let start = Self { job: job.to_owned(), place: OrderKey::before_all(), orders: 0 };
        if restart {
            return Ok(start);
        }
        let mut connection = pool.acquire().await?;
        let Some(row) = sqlx::query(SQL).bind(job).fetch_optional(&mut *connection).await? else { return Ok(start) };
        let place = OrderKey::from_row(&row, 0)?;
        Ok(Self { place, orders: row.try_get::<i64, _>(4)?.unsigned_abs(), ..start })
    }

    /// Notes that everything up to a place is in the log.
    pub(super) async fn advance(&mut self, pool: &ShardPool, place: OrderKey, orders: u64) -> Result<()> {
        const SQL: &str = "insert into backfill (job, ordered_at, order_id, customer_id, tenant, orders, updated_at) \
            values ($1, $2, $3, $4, $5, $6, now()) on conflict (job) do update set ordered_at = excluded.ordered_at, \
            order_id = excluded.order_id, customer_id = excluded.customer_id, tenant = excluded.tenant, \
            orders = excluded.orders, updated_at = excluded.updated_at";
        self.place = place;
        self.orders += orders;
        let mut connection = pool.acquire().await?;
        sqlx::query(SQL)
            .bind(&self.job)
            .bind(Timestamptz(self.place.ordered_at))
            .bind(&self.place.order_id)
            .bind(&self.place.customer_id)
            .bind(self.place.tenant.as_str())
            .bind(self.orders.cast_signed())
            .execute(&mut *connection)
            .await?;
        Ok(())
    }
}
