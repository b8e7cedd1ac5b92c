//! What was found.

use std::fmt;

use forebay_model::{Lane, ShardId, StreamKind};
use serde::Serialize;

/// How many differences are named. All are counted.
const NAMED_MAX: usize = 100;

/// What was looked at, and what differs.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// How many.
    pub differences: u64,
    /// The first of them.
    pub named: Vec<Difference>,
    /// Facts that are not there, and may be on their way: what brings them was waited for in vain.
    pub pending: u64,
    /// Differences that dead letters or accepted losses account for.
    pub explained: u64,
    /// Each lane that was looked at.
    pub lanes: Vec<LaneFigures>,
    /// Orders.
    pub orders_checked: u64,
    /// Facts that these make.
    pub facts_checked: u64,
    /// Views.
    pub views_checked: u64,
    /// Index entries.
    pub index_entries_checked: u64,
    /// Noted times.
    pub order_times_checked: u64,
    /// Noted times of orders that are not there. They keep other times out, and do no other harm.
    pub order_times_without_order: u64,
    /// What else there is to know.
    pub notes: Vec<String>,
    /// Shards that could not be looked at to their end: what is told of them is not all.
    pub unfinished: Vec<Unfinished>,
}

/// A shard that could not be looked at to its end.
#[derive(Debug, Serialize)]
pub struct Unfinished {
    /// Which.
    pub shard: ShardId,
    /// Why, in one sentence.
    pub why: String,
}

/// One thing that is not as it should be.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// On which shard.
    pub shard: ShardId,
    /// In which lane or stream.
    #[serde(flatten)]
    pub of: Of,
    /// What differs.
    pub kind: DifferenceKind,
    /// One sentence.
    pub detail: String,
}

/// What of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// A lane.
    Lane(Lane),
    /// A stream.
    Stream(StreamKind),
}

impl From<Lane> for Of {
    fn from(lane: Lane) -> Self {
        Self::Lane(lane)
    }
}

impl From<StreamKind> for Of {
    fn from(stream: StreamKind) -> Self {
        Self::Stream(stream)
    }
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lane(lane) => write!(f, "lane {lane}"),
            Self::Stream(stream) => write!(f, "stream {stream}"),
        }
    }
}

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// A counter of a lane and what there is.
    Counter,
    /// A log and the position in it.
    Log,
    /// A row of the log that is neither stored nor dead.
    LoggedFact,
    /// An order and what is in it.
    Order,
    /// An order's index entry or view.
    Fact,
    /// A view or an index entry, and its order.
    Origin,
    /// An order and the time that is noted for its id.
    OrderTime,
    /// The status of an order, and what happened to it.
    Status,
    /// What the orders of an hour come to, and what is kept of it.
    Sum,
}

/// A lane of a shard.
#[derive(Debug, Serialize)]
pub struct LaneFigures {
    /// On which shard.
    pub shard: ShardId,
    /// In which lane.
    pub lane: Lane,
    /// Up to where it is committed.
    pub position: Option<String>,
    /// Rows that were stored.
    pub stored: u64,
    /// Rows that were there already.
    pub duplicate: u64,
    /// Rows that became dead letters.
    pub dead: u64,
    /// Rows that are there.
    pub rows_in_table: u64,
    /// Rows that the dead letters stand for.
    pub rows_in_letters: u64,
    /// Rows of the frames that the log still has up to the position.
    pub rows_in_log: u64,
    /// Whether these are all that were counted, so that both sums had to be equal.
    pub log_is_whole: bool,
    /// Frames whose rows were compared one by one.
    pub frames_compared: u64,
}

impl Report {
    /// Adds what another verification has found.
    pub(super) fn add(&mut self, other: Self) {
        let Self { differences, mut named, pending, explained, mut lanes, mut notes, mut unfinished, .. } = other;
        self.differences += differences;
        self.named.append(&mut named);
        self.named.truncate(NAMED_MAX);
        self.pending += pending;
        self.explained += explained;
        self.lanes.append(&mut lanes);
        self.orders_checked += other.orders_checked;
        self.facts_checked += other.facts_checked;
        self.views_checked += other.views_checked;
        self.index_entries_checked += other.index_entries_checked;
        self.order_times_checked += other.order_times_checked;
        self.order_times_without_order += other.order_times_without_order;
        self.notes.append(&mut notes);
        self.unfinished.append(&mut unfinished);
    }

    pub(super) fn differs(&mut self, shard: ShardId, of: impl Into<Of>, kind: DifferenceKind, detail: String) {
        self.differences += 1;
        if self.named.len() < NAMED_MAX {
            self.named.push(Difference { shard, of: of.into(), kind, detail });
        }
    }
}
