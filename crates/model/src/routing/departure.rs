//! Shards that leave a system: nothing goes there any more, and once all that was there is elsewhere, the map remembers only where their logs ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Position, ShardId, StreamKind};

/// How far a shard has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Departure {
    /// It has no bucket, and none may go there. What is in its logs is still to be settled.
    Leaving,
    /// It is not there any more. Whatever its logs had is elsewhere, so a position in them counts as reached.
    Gone(LastPlaces),
}

/// Where the logs of a shard ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastPlaces {
    /// The one of what was logged.
    pub logged: Position,
    /// The one of what was derived.
    pub derived: Position,
}

/// What names a shard, so that it cannot leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct StillNamed {
    /// Which shard.
    pub shard: ShardId,
    /// Buckets that are there, of both kinds of streams.
    pub buckets: usize,
    /// Buckets that come, or go.
    pub under_way: usize,
    /// Buckets that others own, of which the rows are still there, too: for others, or for this one.
    pub kept: usize,
    /// Whether there is no other shard.
    pub is_last: bool,
}

impl LastPlaces {
    /// That of one kind of streams.
    pub const fn of(self, kind: StreamKind) -> Position {
        match kind {
            StreamKind::Logged => self.logged,
            StreamKind::Derived => self.derived,
        }
    }
}

impl StillNamed {
    pub(super) const fn is_nothing(&self) -> bool {
        self.buckets + self.under_way + self.kept == 0 && !self.is_last
    }
}

impl fmt::Display for StillNamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shard, buckets, under_way, kept, is_last } = *self;
        if is_last {
            return write!(f, "shard {shard} is the only one that would have anything");
        }
        let mut told = Vec::new();
        if buckets > 0 {
            told.push(format!("{buckets} parts are on shard {shard}: `forebay shards drain {shard}` moves them away"));
        }
        if under_way > 0 {
            told.push(format!("{under_way} parts are under way to or from shard {shard}: see `forebay shards status`"));
        }
        if kept > 0 {
            told.push(format!(
                "the rows of {kept} parts that have left or come to shard {shard} are still kept where they were: \
                 `forebay shards resume --keep-s 0` lets them go, and else they go by themselves"
            ));
        }
        f.write_str(&told.join("; "))
    }
}
