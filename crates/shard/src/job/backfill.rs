//! How far a shard's orders have been filled in, kept in the shard's own database. It moves by compare-and-swap: where two do the
//! same, or the shard was set back to an older state, what is noted decides.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::read::order_key::OrderKey;
use crate::timestamptz::Timestamptz;

/// How far a job has come on one shard.
#[derive(Clone, Debug)]
pub struct BackfillProgress {
    job: String,
    place: OrderKey,
    orders: u64,
}

/// What became of an advance.
#[derive(Debug)]
pub enum Advanced {
    /// The job is here now.
    To(BackfillProgress),
    /// The job is not where it was.
    Elsewhere,
}

impl BackfillProgress {
    /// Where an earlier run of the job has ended, or the start.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn load(connection: &mut PgConnection, job: &str) -> Result<Self, sqlx::Error> {
        const SQL: &str = "select ordered_at, order_id, customer_id, tenant, orders from backfill where job = $1";
        let start = Self { job: job.to_owned(), place: OrderKey::before_all(), orders: 0 };
        let Some(row) = sqlx::query(SQL).bind(job).fetch_optional(connection).await? else { return Ok(start) };
        let place = OrderKey::from_row(&row, 0)?;
        Ok(Self { place, orders: row.try_get::<i64, _>(4)?.unsigned_abs(), ..start })
    }

    /// Lets the job begin anew.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn forget(connection: &mut PgConnection, job: &str) -> Result<(), sqlx::Error> {
        const SQL: &str = "delete from backfill where job = $1";
        sqlx::query(SQL).bind(job).execute(connection).await.map(drop)
    }

    /// The last order up to which what follows is stored.
    pub fn place(&self) -> &OrderKey {
        &self.place
    }

    /// Notes that what follows from everything up to a place is stored, from `orders` more orders.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn advance(
        self,
        connection: &mut PgConnection,
        place: OrderKey,
        orders: u64,
    ) -> Result<Advanced, sqlx::Error> {
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
            .execute(connection)
            .await?;
        Ok(if moved.rows_affected() == 1 { Advanced::To(next) } else { Advanced::Elsewhere })
    }
}
