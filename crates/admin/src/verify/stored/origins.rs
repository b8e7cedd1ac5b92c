//! Orders of stored views and index entries: they follow only from stored orders, so each has its order, and a view is one that
//! its order makes. What is left of an order that its shard has lost since is accounted for where that loss was accepted.

use std::collections::{BTreeSet, HashMap, HashSet};

use anyhow::Result;
use forebay_model::fact::view_keys;
use forebay_model::{Bucket, Lane, ShardId, StreamKind, ViewId};
use forebay_shard::check::{Sighting, Snapshot};

use crate::facts::order::{OrderKey, StoredOrder};
use crate::verify::report::DifferenceKind;
use crate::verify::verification::Verification;

/// Views that are in hand at a time, with their orders.
const VIEWS: u32 = 1000;
/// Index entries that are.
const ENTRIES: u32 = 4096;

/// A stored view.
struct ViewRow {
    seen: Sighting,
    /// The bucket of the order's customer.
    home: Bucket,
}

/// A view or an index entry whose order is not there.
struct Orphan {
    what: String,
    bucket: Bucket,
    order: OrderKey,
}

impl Verification<'_> {
    /// Checks what views see on a shard, of orders or of what happened to them, of which there are `rows`: each is of a key that its order
    /// has.
    pub(crate) async fn orders_of_views(&mut self, snapshot: &mut Snapshot, lane: Lane, rows: u64) -> Result<()> {
        let cursor = snapshot.sightings(lane, self.scope.depth.portion(rows)).await?;
        loop {
            let page = snapshot.page(&cursor, VIEWS).await?;
            if page.is_empty() {
                return Ok(());
            }
            let views: Vec<ViewRow> = page.into_iter().map(|seen| self.view(seen)).collect();
            self.report.views_checked += views.len() as u64;
            let orphans = self.orphans(snapshot.shard(), lane, &views).await?;
            self.look_for_orders(snapshot.shard(), lane, orphans).await?;
        }
    }

    /// The views whose order is not there. Of those whose order is there, each that it does not make is told.
    async fn orphans(&mut self, shard: ShardId, lane: Lane, views: &[ViewRow]) -> Result<Vec<Orphan>> {
        let wanted: HashSet<(Bucket, OrderKey)> =
            views.iter().map(|view| (view.home, view.seen.order.clone())).collect();
        let orders = self.scope.orders(wanted).await?;
        let keys: HashMap<&OrderKey, HashSet<(ViewId, String)>> =
            orders.iter().map(|(key, order)| (key, self.keys_of(order))).collect();
        let mut orphans = Vec::new();
        for ViewRow { seen: view, home } in views {
            let Some(keys) = keys.get(&view.order) else {
                let what = format!("view {} {}", self.name_of(view.view), view.key);
                orphans.push(Orphan { what, bucket: *home, order: view.order.clone() });
                continue;
            };
            // What is left of a view that was dropped is nobody's.
            if self.scope.views.get(view.view).is_none() || keys.contains(&(view.view, view.key.clone())) {
                continue;
            }
            if self.scope.may_have_lost_orders(self.scope.map.shard(StreamKind::Logged, *home)).await? {
                self.report.explained += 1;
                continue;
            }
            let (name, key, order) = (self.name_of(view.view), &view.key, &view.order);
            let detail = format!("view {name} {key} has {order}, which has no such key");
            self.report.differs(shard, lane, DifferenceKind::Origin, detail);
        }
        Ok(orphans)
    }

    fn view(&self, seen: Sighting) -> ViewRow {
        let home = self.scope.map.hash().bucket_of(&seen.order.tenant, &seen.order.customer_id);
        ViewRow { seen, home }
    }

    fn name_of(&self, view: ViewId) -> String {
        self.scope.views.get(view).map_or_else(|| view.to_string(), |view| view.spec.name().to_string())
    }

    /// The views that an order makes, by id and key.
    fn keys_of(&self, order: &StoredOrder) -> HashSet<(ViewId, String)> {
        view_keys(&self.scope.views, &order.as_stored()).into_iter().collect()
    }

    /// Checks the index entries of a shard, of which there are `rows`.
    pub(crate) async fn orders_of_index(&mut self, snapshot: &mut Snapshot, rows: u64) -> Result<()> {
        let cursor = snapshot.index(self.scope.depth.portion(rows)).await?;
        loop {
            let keys = snapshot.page(&cursor, ENTRIES).await?;
            if keys.is_empty() {
                return Ok(());
            }
            self.report.index_entries_checked += keys.len() as u64;
            let routed = self.scope.routed(keys);
            let stored = self.scope.stored(routed.iter().cloned()).await?;
            let missing = routed.into_iter().filter(|(_, order)| !stored.contains(order));
            let orphan = |(bucket, order)| Orphan { what: "an index entry".to_owned(), bucket, order };
            self.look_for_orders(snapshot.shard(), Lane::Index, missing.map(orphan).collect()).await?;
        }
    }

    /// Looks for orders once more where they should be. They were stored before anything was derived of them, so that they are
    /// only missing for now where their shard reads its log again: it was restored, or another server has taken over.
    async fn look_for_orders(&mut self, shard: ShardId, lane: Lane, orphans: Vec<Orphan>) -> Result<()> {
        let homes: BTreeSet<ShardId> =
            orphans.iter().map(|orphan| self.scope.map.shard(StreamKind::Logged, orphan.bucket)).collect();
        for home in homes {
            if !self.pass(StreamKind::Logged.on(home)).await? {
                self.report.pending += orphans.len() as u64;
                return Ok(());
            }
        }
        let stored = self.scope.stored(orphans.iter().map(|orphan| (orphan.bucket, orphan.order.clone()))).await?;
        for Orphan { what, bucket, order } in orphans.iter().filter(|orphan| !stored.contains(&orphan.order)) {
            if self.scope.may_have_lost_orders(self.scope.map.shard(StreamKind::Logged, *bucket)).await? {
                self.report.explained += 1;
                continue;
            }
            let detail = format!("{what} has {order}, which is not stored");
            self.report.differs(shard, lane, DifferenceKind::Origin, detail);
        }
        Ok(())
    }
}
