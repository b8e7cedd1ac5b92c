//! Which log: everything that asks "which stream" takes a [`StreamId`].

use std::fmt;

use crate::{Lane, ShardId};

/// The log of one lane on one shard: one stream, with positions of its own. Written as `orders-0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// The kind of facts in it.
    pub lane: Lane,
    /// The shard that they are stored on.
    pub shard: ShardId,
}

impl StreamId {
    /// Every stream of a shard, in the order in which an order's facts must be logged.
    pub fn all_of(shard: ShardId) -> impl Iterator<Item = Self> {
        Lane::ALL.into_iter().map(move |lane| lane.on(shard))
    }
}

impl StreamId {
    /// The labels by which metrics tell one from another.
    pub fn labels(self) -> [(&'static str, String); 2] {
        [("lane", self.lane.to_string()), ("shard", self.shard.to_string())]
    }
}

impl Lane {
    /// The log of this lane on a shard.
    pub const fn on(self, shard: ShardId) -> StreamId {
        StreamId { lane: self, shard }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.lane, self.shard)
    }
}
