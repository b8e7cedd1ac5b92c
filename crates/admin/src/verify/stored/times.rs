//! The times that are noted of orders: the table `order_time` is what keeps a second order with the same customer and id out.
//!
//! A row of it that is missing, or has another time, lets the id be stored again unnoticed; so every order whose id does not
//! tell its time must have its row. Both tables are read in one snapshot, and were written in one transaction.

use std::collections::HashMap;

use anyhow::Result;
use forebay_model::{CustomerId, Lane, OrderId, Timestamp};
use forebay_shard::Timestamptz;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::whole_order::WholeOrder;
use crate::facts::order::{self, OrderKey};
use crate::verify::report::DifferenceKind;
use crate::verify::settings::Depth;
use crate::verify::snapshot::Snapshot;
use crate::verify::verification::Verification;

const TABLE: &str = "order_time";
/// Rows that are in hand at a time.
const PAGE: u32 = 4096;

impl Verification<'_> {
    /// Checks that orders of the snapshot have their times noted.
    pub(crate) async fn times_of_orders(&mut self, snapshot: &mut Snapshot, orders: &[WholeOrder]) -> Result<()> {
        let noted = self.noted(&mut snapshot.connection, orders).await?;
        let mut others = Vec::new();
        for key in orders.iter().map(|whole| whole.order.key.clone()) {
            match noted.get(&OrderKey { ordered_at: Timestamp::EARLIEST, ..key.clone() }) {
                Some(&at) if at == key.ordered_at => {}
                Some(&at) => others.push((key, at)),
                None if self.routes_itself(&key) => {}
                None => {
                    let detail = format!("{key} has no row in {TABLE}: its id could be stored again at another time");
                    self.report.differs(snapshot.shard, Lane::Orders, DifferenceKind::OrderTime, detail);
                }
            }
        }
        self.other_times(snapshot, others).await
    }

    /// Tells of orders that are noted at another time. Where an order is stored there as well, the id is stored twice.
    async fn other_times(&mut self, snapshot: &mut Snapshot, others: Vec<(OrderKey, Timestamp)>) -> Result<()> {
        let there = others.iter().map(|(key, at)| OrderKey { ordered_at: *at, ..key.clone() });
        let there = self.scope.routed(there);
        let there = order::existing(&mut snapshot.connection, &there).await?;
        for (key, at) in others {
            let is_there = there.contains(&OrderKey { ordered_at: at, ..key.clone() });
            let detail = match (is_there, self.scope.depth) {
                // These are found from the orders alone.
                (true, Depth::Full) => continue,
                (true, Depth::Sample(_)) => format!("{key} is stored twice: at {at} as well"),
                (false, _) => format!("{key} is stored, and {TABLE} has {at} for it"),
            };
            self.report.differs(snapshot.shard, Lane::Orders, DifferenceKind::OrderTime, detail);
        }
        Ok(())
    }

    /// Counts the noted times of a shard whose order is not there. What is stored at another time was told of the order.
    pub(crate) async fn orders_of_times(&mut self, snapshot: &mut Snapshot) -> Result<()> {
        let rows = snapshot.rows(TABLE).await?;
        let cursor = snapshot.key_cursor(TABLE, self.scope.depth, rows).await?;
        loop {
            let keys = snapshot.keys(&cursor, PAGE).await?;
            if keys.is_empty() {
                return Ok(());
            }
            self.report.order_times_checked += keys.len() as u64;
            let routed = self.scope.routed(keys.iter().cloned());
            let stored = order::existing(&mut snapshot.connection, &routed).await?;
            self.report.order_times_without_order += keys.iter().filter(|key| !stored.contains(key)).count() as u64;
        }
    }

    /// Finds each id of a customer that is stored more than once on a shard, whatever its noted time is.
    pub(crate) async fn stored_twice(&mut self, snapshot: &mut Snapshot) -> Result<()> {
        const SQL: &str = "select customer_id, order_id, count(*), min(ordered_at), max(ordered_at) from orders \
            group by tenant, customer_id, order_id having count(*) > 1 order by 1, 2";
        let cursor = snapshot.declare(SQL).await?;
        loop {
            let page = snapshot.page(&cursor, PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            for row in &page {
                let (customer_id, order_id): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
                let times: i64 = row.try_get(2)?;
                let (first, last) = (row.try_get::<Timestamptz, _>(3)?.0, row.try_get::<Timestamptz, _>(4)?.0);
                let detail = format!(
                    "order {order_id} of customer {customer_id} is stored {times} times, between {first} and {last}"
                );
                self.report.differs(snapshot.shard, Lane::Orders, DifferenceKind::OrderTime, detail);
            }
        }
    }

    /// Whether an order's id tells its time, so that none has to be noted.
    fn routes_itself(&self, key: &OrderKey) -> bool {
        let (customer, order) = (CustomerId::new(key.customer_id.clone()), OrderId::new(key.order_id.clone()));
        let (Ok(customer), Ok(order)) = (customer, order) else { return false };
        order.routes_itself(self.scope.map.bucket_of(&key.tenant, &customer), key.ordered_at)
    }

    /// The noted times of orders, by their identities without the time.
    async fn noted(
        &self,
        connection: &mut PgConnection,
        orders: &[WholeOrder],
    ) -> Result<HashMap<OrderKey, Timestamp>> {
        // One look at the primary key for each, whatever the planner thinks of a table that it has no figures of.
        const SQL: &str = "select found.* from unnest($1::int2[], $2::text[], $3::text[], $4::text[]) \
                as wanted(bucket, tenant, order_id, customer_id) \
            cross join lateral (select t.ordered_at, t.order_id, t.customer_id, t.tenant from order_time t \
                where t.bucket = wanted.bucket and t.tenant = wanted.tenant and t.order_id = wanted.order_id \
                and t.customer_id = wanted.customer_id limit 1) as found";
        let wanted = self.scope.routed(orders.iter().map(|whole| whole.order.key.clone()));
        let rows = sqlx::query(SQL)
            .bind(wanted.iter().map(|(bucket, _)| bucket.number().cast_signed()).collect::<Vec<_>>())
            .bind(wanted.iter().map(|(_, key)| key.tenant.as_str()).collect::<Vec<_>>())
            .bind(wanted.iter().map(|(_, key)| key.order_id.as_str()).collect::<Vec<_>>())
            .bind(wanted.iter().map(|(_, key)| key.customer_id.as_str()).collect::<Vec<_>>())
            .fetch_all(connection)
            .await?;
        let noted = |row: &PgRow| {
            let mut key = OrderKey::from_row(row, 0)?;
            let at = std::mem::replace(&mut key.ordered_at, Timestamp::EARLIEST);
            Ok((key, at))
        };
        rows.iter().map(noted).collect()
    }
}
