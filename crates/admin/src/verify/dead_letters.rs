//! What dead letters account for.
//!
//! A letter says that a row of the log was not stored, and no more. So a fact may be missing where one of its identity was refused,
//! and another fact may stand in its place where that is one of an order that died itself: of two orders with one identity, each
//! lane stores the one that came first in its own log. A row that nobody has sent is a difference, even where the right one was
//! logged again since and is a conflict with it.

use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use forebay_model::tuple::Tuples;
use forebay_model::{Facts, Lane, ShardId, Timestamp};
use forebay_shard::{DeadLetter, Disagreement, Reason};

use super::verification::{Verification, tuples};
use crate::stored_order::{OrderKey, StoredOrder};

/// The most letters of an order that are looked at in a lane: the first to die are those that others were stored beside.
const LETTERS: i64 = 100;

impl Verification<'_> {
    /// Whether letters account for a fact of an order, which lies on shard `home`, not being stored as it is.
    pub(super) async fn is_accounted_for(
        &mut self,
        home: ShardId,
        shard: ShardId,
        (lane, key, fact): (Lane, &OrderKey, &Bytes),
        disagreement: &Disagreement,
    ) -> Result<bool> {
        match disagreement {
            // Where there was a conflict, something was stored that is gone now.
            Disagreement::Missing { .. } | Disagreement::Refused { .. } => {
                let letters = self.letters_of(shard, lane, key).await?;
                Ok(letters.iter().any(|letter| letter.reason != Reason::Conflict && is_of(lane, &letter.tuple, fact)))
            }
            Disagreement::Other { .. } => {
                let mut dead = self.facts_of_dead(home, shard, lane, key).await?;
                dead.retain(|dead| is_of(lane, dead, fact));
                Ok(self.differences(shard, lane, &dead).await?.len() < dead.len())
            }
        }
    }

    /// Whether an order with that identity died on a shard.
    pub(super) async fn is_dead(&self, home: ShardId, key: &OrderKey) -> Result<bool> {
        let letters = self.letters_of(home, Lane::Orders, key).await?;
        Ok(letters.iter().any(|letter| letter.ordered_at == Some(key.ordered_at)))
    }

    /// Whether an order with that identity died on a shard that makes that view.
    pub(super) async fn is_view_of_dead(
        &self,
        home: ShardId,
        key: &OrderKey,
        view: &(Arc<str>, String),
    ) -> Result<bool> {
        let orders = self.dead_orders(home, key).await?;
        Ok(orders.iter().any(|order| order.key() == *key && self.keys_of(order).contains(view)))
    }

    /// The facts for a lane and shard that dead orders of a customer's order id make, whatever their times.
    async fn facts_of_dead(&self, home: ShardId, shard: ShardId, lane: Lane, key: &OrderKey) -> Result<Vec<Bytes>> {
        let mut facts = Facts::default();
        for order in self.dead_orders(home, key).await? {
            // What died because it is no valid order makes nothing.
            if let Ok(draft) = self.parser.parse(order.json().as_bytes(), Timestamp::now()) {
                facts.add(&draft.settle(&self.map, order.ordered_at, 0), &self.map);
            }
        }
        let parts = facts.into_parts().into_iter().filter(|part| part.stream == lane.on(shard));
        Ok(parts.flat_map(|part| tuples(lane, &part.tuples.into())).collect())
    }

    async fn dead_orders(&self, home: ShardId, key: &OrderKey) -> Result<Vec<StoredOrder>> {
        let letters = self.letters_of(home, Lane::Orders, key).await?;
        let order = |letter: &DeadLetter| {
            let tuple = Tuples::new(Lane::Orders, &letter.tuple).next()?.ok()?;
            StoredOrder::of_tuple(&tuple).ok()
        };
        Ok(letters.iter().filter_map(order).collect())
    }

    async fn letters_of(&self, shard: ShardId, lane: Lane, key: &OrderKey) -> Result<Vec<DeadLetter>> {
        let mut connection = self.pool(shard)?.acquire().await?;
        Ok(DeadLetter::of_order(&mut connection, lane, &key.customer_id, &key.order_id, LETTERS).await?)
    }
}

/// Whether two tuples of a lane have the same identity.
fn is_of(lane: Lane, one: &[u8], other: &[u8]) -> bool {
    let (Some(Ok(one)), Some(Ok(other))) = (Tuples::new(lane, one).next(), Tuples::new(lane, other).next()) else {
        return false;
    };
    let mut columns = lane.columns().iter().enumerate().filter(|(_, column)| lane.identity().contains(&column.name));
    columns.all(|(place, _)| one.field(place) == other.field(place))
}
