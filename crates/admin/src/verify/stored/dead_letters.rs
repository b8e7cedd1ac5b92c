//! What dead letters and accepted losses account for.
//!
//! A letter says that a row of the log was not stored, and no more: a fact may be missing where its shard has refused one of its
//! identity. Of an order that died nothing follows, so that its letter accounts for nothing in index and views. An order that
//! its shard has lost, and whose loss was accepted, leaves there what was derived of it.

use anyhow::Result;
use bytes::Bytes;
use forebay_model::tuple::Tuples;
use forebay_model::{Lane, ShardId};
use forebay_shard::{DeadLetter, Disagreement, Reason};

use crate::facts::order::OrderKey;
use crate::verify::verification::Verification;

/// The most letters of an order that are looked at in a lane.
const LETTERS: i64 = 100;

impl Verification<'_> {
    /// Whether it is accounted for that a fact of an order, which lies on shard `home`, is not stored as it is.
    pub(crate) async fn is_accounted_for(
        &mut self,
        home: ShardId,
        shard: ShardId,
        (lane, key, fact): (Lane, &OrderKey, &Bytes),
        disagreement: &Disagreement,
    ) -> Result<bool> {
        match disagreement {
            // Where there was a conflict, something was stored that is gone now.
            Disagreement::Missing { .. } | Disagreement::Refused { .. } => {
                let mut connection = self.scope.pool(shard)?.acquire().await?;
                let letters =
                    DeadLetter::of_order(&mut connection, lane, &key.tenant, &key.customer_id, &key.order_id, LETTERS)
                        .await?;
                Ok(letters.iter().any(|letter| letter.reason != Reason::Conflict && is_of(lane, &letter.tuple, fact)))
            }
            // It may be one of an order that was there before, with the same identity.
            Disagreement::Other { .. } => self.scope.may_have_lost_orders(home).await,
        }
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
