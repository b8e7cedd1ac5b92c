//! What the orders of each hour are said to come to, against the orders. Both are of one snapshot, so they must be equal.

use anyhow::Result;
use forebay_model::Lane;
use sqlx::Row;

use crate::verify::report::DifferenceKind;
use crate::verify::snapshot::Snapshot;
use crate::verify::verification::Verification;

/// So many hours are named at most.
const NAMED_MAX: i64 = 20;

impl Verification<'_> {
    /// Compares the sums of every hour.
    pub(super) async fn sums(&mut self, snapshot: &mut Snapshot) -> Result<()> {
        const SQL: &str = "select to_char(hour at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') as hour, tenant, kind, currency, \
                coalesce(there.orders, 0) as orders, coalesce(there.total, 0)::text as total, \
                coalesce(said.orders, 0) as orders_said, coalesce(said.total, 0)::text as total_said \
            from (select tenant, date_trunc('hour', ordered_at, 'UTC') as hour, kind, currency, count(*) as orders, sum(total) as total \
                from orders group by 1, 2, 3, 4) as there \
            full join order_sums as said using (tenant, hour, kind, currency) \
            where (there.orders, there.total) is distinct from (said.orders, said.total) order by 1, 2, 3, 4 limit $1";
        let rows = sqlx::query(SQL).bind(NAMED_MAX).fetch_all(&mut snapshot.connection).await?;
        for row in rows {
            let text = |column: &str| row.try_get::<String, _>(column);
            let (hour, kind, currency) = (text("hour")?, text("kind")?, text("currency")?);
            let (orders, orders_said) = (row.try_get::<i64, _>("orders")?, row.try_get::<i64, _>("orders_said")?);
            let (total, total_said) = (text("total")?, text("total_said")?);
            let detail = format!(
                "{orders_said} orders of kind {kind} of the hour {hour} are said to come to {total_said} {currency}, \
                 and there are {orders}, which come to {total}"
            );
            self.report.differs(snapshot.shard, Lane::Orders, DifferenceKind::Sum, detail);
        }
        Ok(())
    }
}
