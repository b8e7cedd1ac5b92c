//! The times that are noted of orders: the table `order_time` is what keeps a second order with the same customer and id out.
//!
//! A row of it that is missing, or has another time, lets the id be stored again unnoticed; so every order whose id does not
//! tell its time must have its row. Both tables are read in one snapshot, and were written in one transaction.

use anyhow::Result;
use forebay_model::{CustomerId, Lane, OrderId, Timestamp};
use forebay_shard::check::{NOTED_TIMES, Snapshot, StoredTwice, WholeOrder};

use crate::facts::order::{self, OrderKey};
use crate::verify::report::DifferenceKind;
use crate::verify::settings::Depth;
use crate::verify::verification::Verification;

/// Rows that are in hand at a time.
const PAGE: u32 = 4096;

impl Verification<'_> {
    /// Checks that orders of the snapshot have their times noted.
    pub(crate) async fn times_of_orders(&mut self, snapshot: &mut Snapshot, orders: &[WholeOrder]) -> Result<()> {
        let wanted = self.scope.routed(orders.iter().map(|whole| whole.order.key.clone()));
        let noted = snapshot.times_of(&wanted).await?;
        let mut others = Vec::new();
        for (_, key) in wanted {
            match noted.get(&OrderKey { ordered_at: Timestamp::EARLIEST, ..key.clone() }) {
                Some(&at) if at == key.ordered_at => {}
                Some(&at) => others.push((key, at)),
                None if self.routes_itself(&key) => {}
                None => {
                    let detail =
                        format!("{key} has no row in {NOTED_TIMES}: its id could be stored again at another time");
                    self.report.differs(snapshot.shard(), Lane::Orders, DifferenceKind::OrderTime, detail);
                }
            }
        }
        self.other_times(snapshot, others).await
    }

    /// Tells of orders that are noted at another time. Where an order is stored there as well, the id is stored twice.
    async fn other_times(&mut self, snapshot: &mut Snapshot, others: Vec<(OrderKey, Timestamp)>) -> Result<()> {
        let there = others.iter().map(|(key, at)| OrderKey { ordered_at: *at, ..key.clone() });
        let there = self.scope.routed(there);
        let there = order::existing(snapshot.connection(), &there).await?;
        for (key, at) in others {
            let is_there = there.contains(&OrderKey { ordered_at: at, ..key.clone() });
            let detail = match (is_there, self.scope.depth) {
                // These are found from the orders alone.
                (true, Depth::Full) => continue,
                (true, Depth::Sample(_)) => format!("{key} is stored twice: at {at} as well"),
                (false, _) => format!("{key} is stored, and {NOTED_TIMES} has {at} for it"),
            };
            self.report.differs(snapshot.shard(), Lane::Orders, DifferenceKind::OrderTime, detail);
        }
        Ok(())
    }

    /// Counts the noted times of a shard whose order is not there. What is stored at another time was told of the order.
    pub(crate) async fn orders_of_times(&mut self, snapshot: &mut Snapshot) -> Result<()> {
        let rows = snapshot.noted_times().await?;
        let cursor = snapshot.orders_of_noted_times(self.scope.depth.portion(rows)).await?;
        loop {
            let keys = snapshot.page(&cursor, PAGE).await?;
            if keys.is_empty() {
                return Ok(());
            }
            self.report.order_times_checked += keys.len() as u64;
            let routed = self.scope.routed(keys.iter().cloned());
            let stored = order::existing(snapshot.connection(), &routed).await?;
            self.report.order_times_without_order += keys.iter().filter(|key| !stored.contains(key)).count() as u64;
        }
    }

    /// Finds each id of a customer that is stored more than once on a shard, whatever its noted time is.
    pub(crate) async fn stored_twice(&mut self, snapshot: &mut Snapshot) -> Result<()> {
        let cursor = snapshot.stored_twice().await?;
        loop {
            let page = snapshot.page(&cursor, PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            for StoredTwice { customer_id, order_id, times, first, last } in page {
                let detail = format!(
                    "order {order_id} of customer {customer_id} is stored {times} times, between {first} and {last}"
                );
                self.report.differs(snapshot.shard(), Lane::Orders, DifferenceKind::OrderTime, detail);
            }
        }
    }

    /// Whether an order's id tells its time, so that none has to be noted.
    fn routes_itself(&self, key: &OrderKey) -> bool {
        let (customer, order) = (CustomerId::new(key.customer_id.clone()), OrderId::new(key.order_id.clone()));
        let (Ok(customer), Ok(order)) = (customer, order) else { return false };
        order.routes_itself(self.scope.map.bucket_of(&key.tenant, &customer), key.ordered_at)
    }
}
