//! What follows from a stored order, for readers who do not ask by its customer: its index entry, and what each key of each view
//! sees of it.
//!
//! One pure function for everybody who derives or checks: the drain behind its commits, what makes up what is owed, the backfill
//! of a view, `verify` and requeueing. It gives the same facts for an order as a client wrote it and as Postgres gives it back:
//! of a field that stands in an object twice the last counts, as in `jsonb`.

use std::sync::Arc;

use super::view_events::seen;
use crate::tuple::push_index_of;
use crate::view::ViewSet;
use crate::{Bucket, Facts, Lane, ShardMap, StoredOrder, StreamKind};

/// Derives facts by the views of a system and a version of its map.
#[derive(Clone, Debug)]
pub struct Deriver {
    views: ViewSet,
    map: Arc<ShardMap>,
}

impl Deriver {
    /// Derives the facts of these views, and routes them by this map.
    pub fn new(views: ViewSet, map: Arc<ShardMap>) -> Self {
        Self { views, map }
    }

    /// The same, with other views.
    #[must_use]
    pub fn with_views(&self, views: ViewSet) -> Self {
        Self::new(views, Arc::clone(&self.map))
    }

    /// The views whose facts are derived.
    pub fn views(&self) -> &ViewSet {
        &self.views
    }

    /// The map that facts are routed by.
    pub fn map(&self) -> &Arc<ShardMap> {
        &self.map
    }

    /// Adds everything that follows from an order.
    pub fn derive(&self, order: &StoredOrder<'_>, facts: &mut Facts) {
        self.derive_index(order, facts);
        self.derive_views(order, facts);
    }

    /// Adds the index entry of an order whose id does not lead to it by itself.
    pub fn derive_index(&self, order: &StoredOrder<'_>, facts: &mut Facts) {
        let identity = &order.identity;
        if identity.routes_itself() {
            return;
        }
        let bucket = Bucket::of_key_bytes(identity.tenant, identity.order_id);
        let shard = self.map.shard(StreamKind::Derived, bucket);
        facts.push(Lane::Index, shard, |out| push_index_of(out, bucket.number(), identity));
    }

    /// Adds what each view's key sees of an order, and of what happened to it.
    pub fn derive_views(&self, order: &StoredOrder<'_>, facts: &mut Facts) {
        let events = order.read_events();
        let events: Vec<_> = events.iter().collect();
        for seen in seen(&self.views, order, &events) {
            self.push_seen(order, &events, &seen, true, |_| true, facts);
        }
    }
}
