//! Which answers hold still, by the commit notices.
//!
//! Each notice says from which position to which its commit went, and what it touched. As long as they follow each other
//! without a gap, every change is known: an answer that was read at position 100 and depends on customer C1 holds at
//! position 150 if none of the notices between named C1. After a gap, what was read before it is no longer judged; after a
//! silence, nothing is.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use forebay_log::Notice;
use forebay_model::{Epoch, Lane, PerLane, Position, StreamId};

use super::entry::{Entry, Watch};
use super::touches::Touches;
use crate::position::read_at::ReadAt;

/// How many keys are told apart in all, over all lanes and shards: eight bytes each.
const KEYS: usize = 3 << 20;
const KEYS_MIN: usize = 1 << 12;

/// What is known of every lane and shard.
#[derive(Debug)]
pub(super) struct Freshness(Vec<PerLane<RwLock<Touches>>>);

impl Freshness {
    pub(super) fn new(shards: usize) -> Self {
        let share = (KEYS / (shards.max(1) * Lane::ALL.len())).max(KEYS_MIN);
        // Rounded down, so that all together stay within the bound.
        let keys = 1 << share.ilog2();
        Self((0..shards).map(|_| PerLane::from_fn(|_| RwLock::new(Touches::new(keys)))).collect())
    }

    /// Takes note. False where notices before this one were not heard.
    pub(super) fn note(&self, notice: &Notice) -> bool {
        let lane = self.touches(notice.stream);
        lane.is_none_or(|lane| write(lane).note(notice, Instant::now()))
    }

    pub(super) fn deafen(&self) {
        self.0.iter().flat_map(PerLane::iter).for_each(|(_, lane)| write(lane).deafen());
    }

    /// Whether the writers of all these are heard.
    pub(super) fn hears(&self, lanes: &[StreamId]) -> bool {
        let now = Instant::now();
        lanes.iter().all(|&stream| self.touches(stream).is_some_and(|lane| read(lane).is_heard(now)))
    }

    /// The positions at which an entry is known to hold; `None` where it is not known. It must have been read at least in
    /// these lanes and shards.
    pub(super) fn confirm(&self, entry: &Entry, epoch: Epoch, lanes: &[StreamId]) -> Option<ReadAt> {
        let is_of_lanes = lanes.iter().all(|&stream| entry.read_at.has(stream));
        if !entry.is_whole || entry.epoch != epoch || !is_of_lanes {
            return None;
        }
        let now = Instant::now();
        let mut read_at = ReadAt::default();
        for (stream, position) in entry.read_at.iter() {
            let touches = read(self.touches(stream)?);
            let mut watched = entry.watched.iter().filter(|watched| watched.stream == stream);
            let first = watched.next().map(|watched| watched.watch);
            // What cannot change is of this log, too, or of one that is gone.
            let confirmed = touches.confirm(first, position, now)?;
            if watched.any(|watched| touches.confirm(Some(watched.watch), position, now).is_none()) {
                return None;
            }
            read_at.note(stream, Some(confirmed));
        }
        Some(read_at)
    }

    /// Where something was touched last, as far as that is known.
    pub(super) fn last_touch(&self, stream: StreamId, watch: Watch) -> Option<Position> {
        read(self.touches(stream)?).last_position(watch)
    }

    fn touches(&self, stream: StreamId) -> Option<&RwLock<Touches>> {
        self.0.get(usize::from(stream.shard.0)).map(|lanes| &lanes[stream.lane])
    }
}

fn read(lane: &RwLock<Touches>) -> RwLockReadGuard<'_, Touches> {
    lane.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(lane: &RwLock<Touches>) -> RwLockWriteGuard<'_, Touches> {
    lane.write().unwrap_or_else(PoisonError::into_inner)
}
