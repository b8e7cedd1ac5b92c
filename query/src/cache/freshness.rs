//! Which answers hold still, by the commit notices.
//!
//! Each notice says from which position to which its commit went, and what it touched. As long as they follow each other
//! without a gap, every change is known: an answer that was read at position 100 and depends on customer C1 holds at
//! position 150 if none of the notices between named C1. After a gap, what was read before it is no longer judged; after a
//! silence, nothing is.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use forebay_log::Notice;
use forebay_model::{PerKind, Position, StreamId, StreamKind};

use super::entry::{Entry, Watch};
use super::touches::Touches;
use crate::position::read_at::ReadAt;

/// How many keys are told apart in all, over all streams: eight bytes each.
const KEYS: usize = 3 << 20;
const KEYS_MIN: usize = 1 << 12;

/// What is known of every stream. That of a derived one has the keys of all its lanes, and those that are alike count as
/// touched together.
#[derive(Debug)]
pub(super) struct Freshness(Vec<PerKind<RwLock<Touches>>>);

impl Freshness {
    pub(super) fn new(shards: usize) -> Self {
        let share = (KEYS / (shards.max(1) * StreamKind::ALL.len())).max(KEYS_MIN);
        // Rounded down, so that all together stay within the bound.
        let keys = 1 << share.ilog2();
        Self((0..shards).map(|_| PerKind::from_fn(|_| RwLock::new(Touches::new(keys)))).collect())
    }

    /// Takes note. False where notices before this one were not heard.
    pub(super) fn note(&self, notice: &Notice) -> bool {
        let touches = self.touches(notice.stream);
        touches.is_none_or(|touches| write(touches).note(notice, Instant::now()))
    }

    pub(super) fn deafen(&self) {
        self.0.iter().flat_map(PerKind::iter).for_each(|(_, touches)| write(touches).deafen());
    }

    /// Whether the writers of all these are heard.
    pub(super) fn hears(&self, streams: &[StreamId]) -> bool {
        let now = Instant::now();
        streams.iter().all(|&stream| self.touches(stream).is_some_and(|touches| read(touches).is_heard(now)))
    }

    /// The positions at which an entry is known to hold; `None` where it is not known. It must have been read at least in
    /// these streams.
    pub(super) fn confirm(&self, entry: &Entry, streams: &[StreamId]) -> Option<ReadAt> {
        let is_of_streams = streams.iter().all(|&stream| entry.read_at.has(stream));
        if !entry.is_whole || !is_of_streams {
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
        self.0.get(usize::from(stream.shard.0)).map(|streams| &streams[stream.kind])
    }
}

fn read(touches: &RwLock<Touches>) -> RwLockReadGuard<'_, Touches> {
    touches.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(touches: &RwLock<Touches>) -> RwLockWriteGuard<'_, Touches> {
    touches.write().unwrap_or_else(PoisonError::into_inner)
}
