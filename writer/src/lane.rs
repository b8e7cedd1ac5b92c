//! Which lane of which shard.

use std::fmt;

use forebay_model::{Lane, ShardId};

/// A lane of a shard: what one drain is for. Written as `orders-0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ShardLane {
    pub(crate) lane: Lane,
    pub(crate) shard: ShardId,
}

impl fmt::Display for ShardLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.lane, self.shard)
    }
}
