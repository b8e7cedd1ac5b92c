//! Which answers hold still, by the commit notices.
//!
//! Each notice says from which position to which its commit went, and what it touched. As long as they follow each other
//! without a gap, every change is known: an answer that was read at position 100 and depends on customer C1 holds at
//! position 150 if none of the notices between named C1. After a gap, what was read before it is no longer judged; after a
//! silence, nothing is.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use forebay_log::Notice;
use forebay_model::{Epoch, Lane, Position, ShardId};

use super::entry::{Entry, Watch};
use super::touches::Touches;
use crate::position::read_at::ReadAt;

/// How many keys are told apart in all, over all lanes and shards: eight bytes each.
const KEYS: usize = 3 << 20;
const KEYS_MIN: usize = 1 << 12;

/// What is known of every lane and shard.
#[derive(Debug)]
pub(super) struct Freshness(Vec<[RwLock<Touches>; Lane::ALL.len()]>);

impl Freshness {
    pub(super) fn new(shards: usize) -> Self {
        let share = (KEYS / (shards.max(1) * Lane::ALL.len())).max(KEYS_MIN);
        // Rounded down, so that all together stay within the bound.
        let keys = 1 << share.ilog2();
        Self((0..shards).map(|_| std::array::from_fn(|_| RwLock::new(Touches::new(keys)))).collect())
    }

    /// Takes note. False where notices before this one were not heard.
    pub(super) fn note(&self, notice: &Notice) -> bool {
        let lane = self.lane(notice.lane, notice.shard);
        lane.is_none_or(|lane| write(lane).note(notice, Instant::now()))
    }

    pub(super) fn deafen(&self) {
        self.0.iter().flatten().for_each(|lane| write(lane).deafen());
    }

    /// Whether the writers of all these are heard.
    pub(super) fn hears(&self, lanes: &[(Lane, ShardId)]) -> bool {
        let now = Instant::now();
        lanes.iter().all(|&(lane, shard)| self.lane(lane, shard).is_some_and(|lane| read(lane).is_heard(now)))
    }

    /// The positions at which an entry is known to hold; `None` where it is not known. It must have been read at least in
    /// these lanes and shards.
    pub(super) fn confirm(&self, entry: &Entry, epoch: Epoch, lanes: &[(Lane, ShardId)]) -> Option<ReadAt> {
        let is_of_lanes = lanes.iter().all(|&(lane, shard)| entry.read_at.has(lane, shard));
        if !entry.is_whole || entry.epoch != epoch || !is_of_lanes {
            return None;
        }
        let now = Instant::now();
        let mut read_at = ReadAt::default();
        for (lane, shard, position) in entry.read_at.iter() {
            let touches = read(self.lane(lane, shard)?);
            let mut watched = entry.watched.iter().filter(|watched| (watched.lane, watched.shard) == (lane, shard));
            let first = watched.next().map(|watched| watched.watch);
            // What cannot change is of this log, too, or of one that is gone.
            let confirmed = touches.confirm(first, position, now)?;
            if watched.any(|watched| touches.confirm(Some(watched.watch), position, now).is_none()) {
                return None;
            }
            read_at.note(lane, shard, Some(confirmed));
        }
        Some(read_at)
    }

    /// Where something was touched last, as far as that is known.
    pub(super) fn last_touch(&self, lane: Lane, shard: ShardId, watch: Watch) -> Option<Position> {
        read(self.lane(lane, shard)?).last_position(watch)
    }

    fn lane(&self, lane: Lane, shard: ShardId) -> Option<&RwLock<Touches>> {
        self.0.get(usize::from(shard.0)).map(|lanes| &lanes[lane as usize])
    }
}

fn read(lane: &RwLock<Touches>) -> RwLockReadGuard<'_, Touches> {
    lane.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(lane: &RwLock<Touches>) -> RwLockWriteGuard<'_, Touches> {
    lane.write().unwrap_or_else(PoisonError::into_inner)
}
