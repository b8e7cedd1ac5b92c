//! Which log: everything that asks "which stream" takes a [`StreamId`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Lane, ShardId};

/// The kinds of streams that each shard has, one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamKind {
    /// What clients said: written by ingest, one log entry an order.
    Logged,
    /// What follows from stored facts: written by the writers of logged streams, behind their commits.
    Derived,
}

impl StreamKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Logged, Self::Derived];

    /// Its name in streams, settings and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logged => "logged",
            Self::Derived => "derived",
        }
    }

    /// The number that stands for it in notices and in entries of caches. It is never given to another kind.
    pub const fn code(self) -> u8 {
        match self {
            Self::Logged => 0,
            Self::Derived => 1,
        }
    }

    /// The kind with that number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// What stands for it in receipts.
    pub const fn letter(self) -> char {
        match self {
            Self::Logged => 'l',
            Self::Derived => 'd',
        }
    }

    /// The key of the advisory lock of the writer that leads, beside the one of the program.
    pub const fn lock(self) -> i32 {
        match self {
            Self::Logged => 10,
            Self::Derived => 11,
        }
    }

    /// The lanes whose frames are in such a stream.
    pub fn lanes(self) -> impl Iterator<Item = Lane> {
        Lane::ALL.into_iter().filter(move |lane| lane.kind() == self)
    }

    /// The stream of this kind on a shard.
    pub const fn on(self, shard: ShardId) -> StreamId {
        StreamId { kind: self, shard }
    }
}

impl fmt::Display for StreamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no kind of stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a kind of stream: there are {names}", names = StreamKind::ALL.map(StreamKind::as_str).join(", "))]
pub struct UnknownStreamKind(String);

impl FromStr for StreamKind {
    type Err = UnknownStreamKind;

    fn from_str(text: &str) -> Result<Self, UnknownStreamKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownStreamKind(text.to_owned()))
    }
}

/// The log of one kind of facts on one shard: one stream, with positions of its own. Written as `logged-0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Whose facts it has.
    pub kind: StreamKind,
    /// The shard that they are stored on.
    pub shard: ShardId,
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

crate::per::one_for_each! {
    /// One value for each kind of stream.
    PerKind, StreamKind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_kinds_stay_what_they_are() {
        let codes = StreamKind::ALL.map(|kind| (kind.as_str(), kind.code(), kind.letter(), kind.lock()));
        assert_eq!(codes, [("logged", 0, 'l', 10), ("derived", 1, 'd', 11)]);
    }

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
