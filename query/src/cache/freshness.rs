//! Which answers hold still, by the commit notices.
//!
//! Each notice says from which position to which its commit went, and what it touched. As long as they follow each other
//! without a gap, every change is known: an answer that was read at position 100 and depends on customer C1 holds at
//! position 150 if none of the notices between named C1. After a gap, what was read before it is no longer judged; after a
//! silence, nothing is.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use forebay_log::Notice;
use forebay_model::{PerKind, Position, ShardId, StreamId, StreamKind};

use super::entry::{CacheEntry, Watch};
use super::touches::Touches;
use crate::position::read_at::ReadAt;

/// How many keys are told apart in all, over all streams that there are at the start: eight bytes each. As often as shards double, half as many
/// come until the next start.
const KEYS: usize = 3 << 20;
const KEYS_MIN: usize = 1 << 12;

/// What is known of every stream. That of a derived one has the keys of all its lanes, and those that are alike count as
/// touched together.
#[derive(Debug, Default)]
pub(super) struct Freshness(RwLock<BTreeMap<ShardId, Arc<PerKind<RwLock<Touches>>>>>);

impl Freshness {
    /// There are these shards and no others, of which nothing is known yet where they are new.
    pub(super) fn follow(&self, shards: impl ExactSizeIterator<Item = ShardId>) {
        let mut known = write(&self.0);
        let share = (KEYS / (shards.len().max(1) * StreamKind::ALL.len())).max(KEYS_MIN);
        // Rounded down, so that all together stay within the bound.
        let keys = 1 << share.ilog2();
        let shards: Vec<ShardId> = shards.collect();
        known.retain(|shard, _| shards.contains(shard));
        for shard in shards {
            known.entry(shard).or_insert_with(|| Arc::new(PerKind::from_fn(|_| RwLock::new(Touches::new(keys)))));
        }
    }

    /// Every shard.
    pub(super) fn shards(&self) -> Vec<ShardId> {
        read(&self.0).keys().copied().collect()
    }

    /// Takes note. False where notices before this one were not heard.
    pub(super) fn note(&self, notice: &Notice) -> bool {
        let touches = self.of_shard(notice.stream.shard);
        touches.is_none_or(|touches| write(&touches[notice.stream.kind]).note(notice, Instant::now()))
    }

    pub(super) fn deafen(&self) {
        let known = read(&self.0);
        known.values().flat_map(|touches| touches.iter()).for_each(|(_, touches)| write(touches).deafen());
    }

    /// Whether the writers of all these are heard.
    pub(super) fn hears(&self, streams: &[StreamId]) -> bool {
        let now = Instant::now();
        let is_heard = |stream: &StreamId| Some(read(&self.of_shard(stream.shard)?[stream.kind]).is_heard(now));
        streams.iter().all(|stream| is_heard(stream).unwrap_or_default())
    }

    /// The positions at which an entry is known to hold; `None` where it is not known. It must have been read at least in
    /// these streams.
    pub(super) fn confirm(&self, entry: &CacheEntry, streams: &[StreamId]) -> Option<ReadAt> {
        let is_of_streams = streams.iter().all(|&stream| entry.read_at.has(stream));
        if !entry.is_whole || !is_of_streams {
            return None;
        }
        let now = Instant::now();
        let mut read_at = ReadAt::default();
        for (stream, position) in entry.read_at.iter() {
            let touches = self.of_shard(stream.shard)?;
            let touches = read(&touches[stream.kind]);
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
        read(&self.of_shard(stream.shard)?[stream.kind]).last_position(watch)
    }

    fn of_shard(&self, shard: ShardId) -> Option<Arc<PerKind<RwLock<Touches>>>> {
        read(&self.0).get(&shard).cloned()
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
