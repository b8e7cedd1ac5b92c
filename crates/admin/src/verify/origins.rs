//! Orders of stored views and index entries: a view without its order answers readers with what is not there. An index entry
//! without its order is harmless, because the order's row decides, so these are only counted.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::{Context, Result};
use forebay_model::{Bucket, Lane, ShardId, Timestamp};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::report::DifferenceKind;
use super::snapshot::Snapshot;
use super::verification::Verification;
use crate::stored_order::{OrderKey, StoredOrder};

/// Rows that are in hand at a time.
const PAGE: u32 = 1000;

/// A stored view.
#[derive(Clone, Debug)]
struct ViewRow {
    view: String,
    key: String,
    bucket: Bucket,
    order: OrderKey,
}

impl Verification<'_> {
    /// Checks the views of a shard, of which there are `rows`: each is one that its order makes.
    pub(super) async fn orders_of_views(&mut self, snapshot: &mut Snapshot, rows: u64) -> Result<()> {
        let columns = "view, key, ordered_at, order_id, customer_id, bucket";
        let cursor = snapshot.cursor(Lane::Views.table(), columns, self.depth, rows).await?;
        loop {
            let page = snapshot.page(&cursor, PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            let views: Vec<ViewRow> = page.iter().map(ViewRow::from_row).collect::<Result<_>>()?;
            self.report.views_checked += views.len() as u64;
            let orphans = self.orphans(snapshot.shard, &views).await?;
            self.look_for_orders(snapshot.shard, orphans).await?;
        }
    }

    /// The views whose order is not there. Of those whose order is there, each that it does not make is told.
    async fn orphans(&mut self, shard: ShardId, views: &[ViewRow]) -> Result<Vec<ViewRow>> {
        let orders = self.orders(views.iter().map(|view| (view.bucket, view.order.clone()))).await?;
        let keys: HashMap<&OrderKey, HashSet<(Arc<str>, String)>> =
            orders.iter().map(|(key, order)| (key, self.keys_of(order))).collect();
        let mut orphans = Vec::new();
        for view in views {
            let Some(keys) = keys.get(&view.order) else {
                orphans.push(view.clone());
                continue;
            };
            // Views that are not configured any more stay as they are.
            let is_known = self.views.iter().any(|spec| **spec.name() == *view.view);
            let name = (Arc::from(view.view.as_str()), view.key.clone());
            if !is_known || keys.contains(&name) {
                continue;
            }
            let home = self.map.read_shards(view.bucket)[0];
            if self.is_view_of_dead(home, &view.order, &name).await? {
                self.report.explained += 1;
                continue;
            }
            let detail = format!("view {} {} has {}, which has no such key", view.view, view.key, view.order);
            self.report.differs(shard, Lane::Views, DifferenceKind::Origin, detail);
        }
        Ok(orphans)
    }

    /// A view is logged before its order, so the order may still be on its way.
    async fn look_for_orders(&mut self, shard: ShardId, orphans: Vec<ViewRow>) -> Result<()> {
        if orphans.is_empty() {
            return Ok(());
        }
        let homes: HashSet<ShardId> =
            orphans.iter().flat_map(|view| self.map.read_shards(view.bucket).to_vec()).collect();
        for home in homes {
            if !self.pass(home, Lane::Orders).await? {
                self.report.undecided += orphans.len() as u64;
                return Ok(());
            }
        }
        let stored = self.stored(orphans.iter().map(|view| (view.bucket, view.order.clone()))).await?;
        for view in orphans.iter().filter(|view| !stored.contains(&view.order)) {
            let home = self.map.read_shards(view.bucket)[0];
            if self.is_dead(home, &view.order).await? {
                self.report.explained += 1;
                continue;
            }
            let (of, key) = (&view.view, &view.key);
            let detail = format!(
                "view {of} {key} has {}, which is not stored: it is gone, or it was never acknowledged",
                view.order
            );
            self.report.differs(shard, Lane::Views, DifferenceKind::Origin, detail);
        }
        Ok(())
    }

    /// The views that an order makes, by name and key.
    pub(super) fn keys_of(&self, order: &StoredOrder) -> HashSet<(Arc<str>, String)> {
        let json = order.json();
        // An order that is none was told when the orders were checked.
        let Ok(draft) = self.parser.parse(json.as_bytes(), Timestamp::now()) else { return HashSet::new() };
        draft.views.iter().map(|slice| (slice.view.clone(), slice.key.clone())).collect()
    }

    /// Counts the index entries of a shard whose order is not there.
    pub(super) async fn orders_of_index(&mut self, snapshot: &mut Snapshot, rows: u64) -> Result<()> {
        let cursor = snapshot.key_cursor(Lane::Index.table(), self.depth, rows).await?;
        loop {
            let keys = snapshot.keys(&cursor, PAGE).await?;
            if keys.is_empty() {
                return Ok(());
            }
            self.report.index_entries_checked += keys.len() as u64;
            let stored = self.stored(self.routed(keys.iter().cloned())).await?;
            self.report.index_entries_without_order += keys.iter().filter(|key| !stored.contains(key)).count() as u64;
        }
    }
}

impl ViewRow {
    fn from_row(row: &PgRow) -> Result<Self> {
        let bucket = row.try_get::<i16, _>(5)?;
        let bucket = u16::try_from(bucket).ok().and_then(Bucket::new);
        Ok(Self {
            view: row.try_get(0)?,
            key: row.try_get(1)?,
            order: OrderKey::from_row(row, 2)?,
            bucket: bucket.context("a view has a bucket that does not exist")?,
        })
    }
}
