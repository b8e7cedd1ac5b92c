//! How far a shard's orders have been filled in, kept in the shard's own database. It moves by compare-and-swap: where two do the
//! same, or the shard was set back to an older state, what is noted decides.

use anyhow::Result;
use forebay_shard::read::order_key::OrderKey;
use forebay_shard::{ShardPool, Timestamptz};
use sqlx::Row;

/// How far a job has come on one shard.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    job: String,
    pub(super) place: OrderKey,
    orders: u64,
}

/// What became of an advance.
pub(super) enum Advanced {
    To(Progress),
    /// The job is not where it was.
    Elsewhere,
}

impl Progress {
    /// Where an earlier run of the job has ended, or the start.
    pub(super) async fn load(pool: &ShardPool, job: &str) -> Result<Self> {
        const SQL: &str = "select ordered_at, order_id, customer_id, tenant, orders from backfill where job = $1";
        let start = Self { job: job.to_owned(), place: OrderKey::before_all(), orders: 0 };
        let mut connection = pool.acquire().await?;
        let Some(row) = sqlx::query(SQL).bind(job).fetch_optional(&mut *connection).await? else { return Ok(start) };
        let place = OrderKey::from_row(&row, 0)?;
        Ok(Self { place, orders: row.try_get::<i64, _>(4)?.unsigned_abs(), ..start })
    }

    /// Begins anew.
    pub(super) async fn forget(pool: &ShardPool, job: &str) -> Result<()> {
        const SQL: &str = "delete from backfill where job = $1";
        sqlx::query(SQL).bind(job).execute(&mut *pool.acquire().await?).await?;
        Ok(())
    }

    /// Notes that what follows from everything up to a place is stored.
    pub(super) async fn advance(self, pool: &ShardPool, place: OrderKey, orders: u64) -> Result<Advanced> {
        const SQL: &str = "insert into backfill as b (job, ordered_at, order_id, customer_id, tenant, orders, updated_at) \
            select $1, $2, $3, $4, $5, $6, now() where $7 = 0 or exists (select from backfill where job = $1) \
            on conflict (job) do update set ordered_at = excluded.ordered_at, order_id = excluded.order_id, \
                customer_id = excluded.customer_id, tenant = excluded.tenant, orders = excluded.orders, \
                updated_at = excluded.updated_at \
            where (b.ordered_at, b.order_id, b.customer_id, b.tenant, b.orders) = ($8, $9, $10, $11, $7)";
        let next = Self { place, orders: self.orders + orders, job: self.job.clone() };
        let moved = sqlx::query(SQL)
            .bind(&next.job)
            .bind(Timestamptz(next.place.ordered_at))
            .bind(&next.place.order_id)
            .bind(&next.place.customer_id)
            .bind(next.place.tenant.as_str())
            .bind(next.orders.cast_signed())
            .bind(self.orders.cast_signed())
            .bind(Timestamptz(self.place.ordered_at))
            .bind(&self.place.order_id)
            .bind(&self.place.customer_id)
            .bind(self.place.tenant.as_str())
            .execute(&mut *pool.acquire().await?)
            .await?;
        Ok(if moved.rows_affected() == 1 { Advanced::To(next) } else { Advanced::Elsewhere })
    }
}
