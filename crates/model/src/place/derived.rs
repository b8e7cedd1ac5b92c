//! How far the facts that follow from one shard's orders are in the derived streams of the others.

use crate::{Position, ShardId, Timestamp};

/// Up to where a logged stream's facts are derived for one shard, and where the last of them lies there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DerivedThrough {
    /// The shard that the facts are for.
    pub target: ShardId,
    /// The position of the logged stream up to which everything that follows is acknowledged by the target's derived stream.
    pub through: Position,
    /// The position in the target's derived stream that holds all of it.
    pub published: Position,
    /// Since when the target is owed more than what is just on its way; `None` where it is not.
    pub owed_since: Option<Timestamp>,
}
