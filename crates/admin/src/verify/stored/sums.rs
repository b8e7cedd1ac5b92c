//! What the orders of each hour, and those of each day that a view's key sees, are said to come to, against the orders as they are now. Both are of one snapshot, so they must be equal.

use anyhow::Result;
use forebay_model::Lane;
use sqlx::Row;

use crate::verify::report::DifferenceKind;
use crate::verify::snapshot::Snapshot;
use crate::verify::verification::Verification;

/// So many hours or days are named at most.
const NAMED_MAX: i64 = 20;

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

impl Verification<'_> {
    /// Compares the sums of every hour of everybody's orders, and of every day of each view's keys.
    pub(super) async fn sums(&mut self, snapshot: &mut Snapshot, lane: Lane) -> Result<()> {
        let (sql, unit) = match lane {
            Lane::Orders => (OF_ORDERS, "the hour"),
            Lane::Views => (OF_VIEWS, "the day"),
            Lane::Events | Lane::Index | Lane::ViewEvents => return Ok(()),
        };
        let rows = sqlx::query(sql).bind(NAMED_MAX).fetch_all(&mut snapshot.connection).await?;
        for row in rows {
            let text = |column: &str| row.try_get::<String, _>(column);
            let (period, whose, kind, currency) = (text("period")?, text("whose")?, text("kind")?, text("currency")?);
            let (orders, orders_said) = (row.try_get::<i64, _>("orders")?, row.try_get::<i64, _>("orders_said")?);
            let (total, total_said) = (text("total")?, text("total_said")?);
            let detail = format!(
                "{orders_said} orders of kind {kind} of {unit} {period}{whose} are said to come to {total_said} {currency}, \
                 and there are {orders}, which come to {total}"
            );
            self.report.differs(snapshot.shard, lane, DifferenceKind::Sum, detail);
        }
        Ok(())
    }
}
