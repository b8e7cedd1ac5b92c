//! What is still to move, and how fast: it stands in the map, so that any process can go on with it.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::ownership::{MoveId, Unit};
use crate::{Bucket, ShardId, StreamKind};

/// How many of the newest moves that have stopped by themselves are remembered.
const STOPPED_MAX: usize = 32;
/// How many rows of each are named.
const NAMED_MAX: usize = 5;

/// What is still to move, and how. As JSON a field that says nothing is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveQueue {
    /// How fast units move, and whether they do.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pace: Pace,
    /// Units that have not begun to move, in turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    waiting: Vec<Waiting>,
    /// Moves that have stopped by themselves, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stopped: Vec<Stopped>,
}

/// How fast units move, and whether they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Nothing begins to move, and what is copied stays as it is. What a source is about to release goes on: its orders would wait.
    #[serde(default, skip_serializing_if = "is_default")]
    pub paused: bool,
    /// Rows that are copied from each shard in a second at most; `None`: as many as the shards that they go to take without delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_per_s: Option<NonZeroU32>,
    /// How long a shard keeps the rows of a unit that another one owns now, in seconds; `None`: as long as its log keeps what is committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_s: Option<u32>,
}

/// Units of a kind of streams that wait to move to a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Waiting {
    stream: StreamKind,
    to: ShardId,
    buckets: Vec<Bucket>,
}

/// A move that has stopped by itself, because the shard that was to own the unit had other rows. The unit stays where it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stopped {
    /// Of which unit.
    pub unit: Unit,
    /// Which move of it.
    #[serde(rename = "move")]
    pub of: MoveId,
    /// The shard that has it.
    pub from: ShardId,
    /// The shard that was to have it.
    pub to: ShardId,
    /// Rows that differ, by name: the first of them.
    pub rows: Vec<String>,
}

impl MoveQueue {
    /// Every unit that has not begun to move, with the shard that it is to go to, in turn.
    pub fn waiting(&self) -> impl Iterator<Item = (Unit, ShardId)> + '_ {
        let units = |waiting: &'_ Waiting| {
            let (stream, to) = (waiting.stream, waiting.to);
            waiting.buckets.clone().into_iter().map(move |bucket| (Unit::of(stream, bucket), to))
        };
        self.waiting.iter().flat_map(units)
    }

    /// Where a unit that waits is to go.
    pub fn target(&self, unit: Unit) -> Option<ShardId> {
        let is_of = |waiting: &&Waiting| waiting.stream == unit.stream() && waiting.buckets.contains(&unit.bucket());
        self.waiting.iter().find(is_of).map(|waiting| waiting.to)
    }

    /// Moves that have stopped by themselves, the newest last.
    pub fn stopped(&self) -> &[Stopped] {
        &self.stopped
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn targets(&self) -> impl Iterator<Item = ShardId> + '_ {
        self.waiting.iter().map(|waiting| waiting.to)
    }

    pub(super) fn add(&mut self, unit: Unit, to: ShardId) {
        let (stream, bucket) = (unit.stream(), unit.bucket());
        self.stopped.retain(|stopped| stopped.unit != unit);
        match self.waiting.iter_mut().find(|waiting| (waiting.stream, waiting.to) == (stream, to)) {
            Some(waiting) => waiting.buckets.push(bucket),
            None => self.waiting.push(Waiting { stream, to, buckets: vec![bucket] }),
        }
    }

    pub(super) fn remove(&mut self, unit: Unit) {
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.stream == unit.stream()) {
            waiting.buckets.retain(|bucket| *bucket != unit.bucket());
        }
        self.waiting.retain(|waiting| !waiting.buckets.is_empty());
    }

    pub(super) fn stop(&mut self, mut stopped: Stopped) {
        stopped.rows.truncate(NAMED_MAX);
        self.stopped.retain(|other| other.unit != stopped.unit);
        self.stopped.push(stopped);
        self.stopped.drain(..self.stopped.len().saturating_sub(STOPPED_MAX));
    }

    /// Whether no unit waits twice.
    pub(super) fn is_sound(&self) -> bool {
        let mut units: Vec<Unit> = self.waiting().map(|(unit, _)| unit).collect();
        let count = units.len();
        units.sort_unstable();
        units.dedup();
        units.len() == count && self.waiting.iter().all(|waiting| !waiting.buckets.is_empty())
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
