//! What the orders of each hour, and those of each day that a view's key sees, are said to come to, against the orders as they are now. Both are of one snapshot, so they must be equal.

use forebay_model::Lane;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::snapshot::Snapshot;

/// The hours of everybody's orders that differ, of those that this shard answers for. Parameter: how many of them.
const OF_ORDERS: &str = "select to_char(hour at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') as period, '' as whose, kind, currency, \
        coalesce(there.orders, 0) as orders, coalesce(there.total, 0)::text as total, \
        coalesce(said.orders, 0) as orders_said, coalesce(said.total, 0)::text as total_said \
    from (select tenant, date_trunc('hour', ordered_at, 'UTC') as hour, kind, currency, \
            count(*) as orders, sum(coalesce(amended, total)) as total \
        from orders \
        where not exists (select from buckets_elsewhere e where e.stream = 'logged' and e.bucket = orders.bucket) \
        group by 1, 2, 3, 4) as there \
    full join order_sums as said using (tenant, hour, kind, currency) \
    where (coalesce(there.orders, 0), coalesce(there.total, 0)) <> (coalesce(said.orders, 0), coalesce(said.total, 0)) \
    order by tenant, hour, kind, currency limit $1";

/// The same of the days that keys of views see. Rows of a view that is not in force are nobody's: it was dropped, or is not here yet.
const OF_VIEWS: &str = "select to_char(day at time zone 'UTC', 'YYYY-MM-DD') as period, \
        ' that ' || key || ' of view ' || view || ' sees' as whose, kind, currency, \
        coalesce(there.orders, 0) as orders, coalesce(there.total, 0)::text as total, \
        coalesce(said.orders, 0) as orders_said, coalesce(said.total, 0)::text as total_said \
    from (select bucket, tenant, view, key, date_trunc('day', ordered_at, 'UTC') as day, kind, currency, \
            count(*) as orders, sum(coalesce(amended, subtotal)) as total \
        from order_views where coalesce(has_items, items <> '[]'::jsonb) group by 1, 2, 3, 4, 5, 6, 7) as there \
    full join view_sums as said using (bucket, tenant, view, key, day, kind, currency) \
    where view in (select id from view_in_force) \
        and (coalesce(there.orders, 0), coalesce(there.total, 0)) <> (coalesce(said.orders, 0), coalesce(said.total, 0)) \
    order by bucket, tenant, view, key, day, kind, currency limit $1";

/// A sum that is not what its orders come to.
#[derive(Clone, Debug)]
pub struct WrongSum {
    /// Which hour of orders, or which day of a view's key.
    pub period: String,
    /// Whose, as the end of a sentence about the period: empty where they are everybody's.
    pub whose: String,
    /// Sale or return, by its word.
    pub kind: String,
    /// What both totals are in.
    pub currency: String,
    /// How many orders there are.
    pub orders: i64,
    /// What they come to.
    pub total: String,
    /// How many there are by the sum.
    pub orders_said: i64,
    /// What they come to by the sum.
    pub total_said: String,
}

impl WrongSum {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            period: row.try_get("period")?,
            whose: row.try_get("whose")?,
            kind: row.try_get("kind")?,
            currency: row.try_get("currency")?,
            orders: row.try_get("orders")?,
            total: row.try_get("total")?,
            orders_said: row.try_get("orders_said")?,
            total_said: row.try_get("total_said")?,
        })
    }
}

impl Snapshot {
    /// The first sums of a lane, at most `max`, that are not what its rows come to; none of a lane that has no sums.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn wrong_sums(&mut self, lane: Lane, max: i64) -> Result<Vec<WrongSum>, sqlx::Error> {
        let sql = match lane {
            Lane::Orders => OF_ORDERS,
            Lane::Views => OF_VIEWS,
            Lane::Events | Lane::Index | Lane::ViewEvents => return Ok(Vec::new()),
        };
        let rows = sqlx::query(sql).bind(max).fetch_all(&mut self.connection).await?;
        rows.iter().map(WrongSum::from_row).collect()
    }
}
