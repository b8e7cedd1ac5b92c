//! Which log: everything that asks "which stream" takes a [`StreamId`].

use std::fmt;

use crate::{Lane, ShardId, StreamKind};

/// The log of one kind of facts on one shard: one stream, with positions of its own. Written as `logged-0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Whose facts it has.
    pub kind: StreamKind,
    /// The shard that they are stored on.
    pub shard: ShardId,
}

impl StreamKind {
    /// The stream of this kind on a shard.
    pub const fn on(self, shard: ShardId) -> StreamId {
        StreamId { kind: self, shard }
    }
}

impl StreamId {
    /// Every stream of a shard.
    pub fn all_of(shard: ShardId) -> impl Iterator<Item = Self> {
        StreamKind::ALL.into_iter().map(move |kind| kind.on(shard))
    }

    /// The lanes whose frames are in it.
    pub fn lanes(self) -> impl Iterator<Item = Lane> {
        self.kind.lanes()
    }

    /// The labels by which metrics tell one from another.
    pub fn labels(self) -> [(&'static str, String); 2] {
        [("stream", self.kind.to_string()), ("shard", self.shard.to_string())]
    }
}

impl Lane {
    /// The stream that this lane's frames for a shard are in.
    pub const fn on(self, shard: ShardId) -> StreamId {
        self.kind().on(shard)
    }

    /// The labels by which metrics tell this lane's rows on a shard from others.
    pub fn labels(self, shard: ShardId) -> [(&'static str, String); 2] {
        [("lane", self.to_string()), ("shard", shard.to_string())]
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.kind, self.shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PerKind;

    #[test]
    fn each_lane_is_in_one_stream() {
        let streams: Vec<String> = Lane::ALL.map(|lane| lane.on(ShardId(3)).to_string()).into();
        assert_eq!(streams, ["logged-3", "logged-3", "derived-3", "derived-3", "derived-3"]);
        let lanes: usize = StreamKind::ALL.map(|kind| kind.lanes().count()).iter().sum();
        assert_eq!(lanes, Lane::ALL.len());
        let mut names = PerKind::from_fn(StreamKind::as_str);
        names[StreamKind::Derived] = "other";
        assert_eq!(names.iter().map(|(_, name)| *name).collect::<Vec<_>>(), ["logged", "other"]);
    }
}
