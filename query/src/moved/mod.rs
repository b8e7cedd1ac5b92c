//! Whether anything has moved, the newest map, what the shards have last said of all units, and the [`placement`] that follows from that.

mod placement;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use forebay_model::{ShardId, ShardMap, StreamId, StreamKind};
use forebay_service::Problem;
use forebay_shard::read::ShardOwnership;

use crate::error::ReadError;

pub(crate) use placement::{Said, UnitPlacement};

/// What is known of units that move.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    map: RwLock<Option<Arc<ShardMap>>>,
    /// Whether a shard has said so.
    was_said: AtomicBool,
    /// Whether the map may be an old one.
    is_deaf: AtomicBool,
    said: Mutex<BTreeMap<StreamId, Arc<ShardOwnership>>>,
    /// The last one of each kind of streams.
    placements: Mutex<BTreeMap<StreamKind, Arc<UnitPlacement>>>,
}

impl Moved {
    /// Goes by a map from now on, but where it knows a newer one.
    pub(crate) fn follow_map(&self, map: &Arc<ShardMap>) {
        let mut known = self.map.write().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|known| known.epoch() < map.epoch()) {
            *known = Some(Arc::clone(map));
        }
    }

    /// The newest map: every shard of it can be asked for.
    ///
    /// # Errors
    /// The problem `not_ready` before there is one.
    pub(crate) fn map(&self) -> Result<Arc<ShardMap>, ReadError> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner).clone();
        map.ok_or_else(|| Problem::not_ready("there is no shard map yet").into())
    }

    /// Whether a unit may ever have moved, or begun to.
    pub(crate) fn is_any(&self) -> bool {
        let by_map = || self.map().is_ok_and(|map| map.has_moved());
        self.was_said.load(Ordering::Relaxed) || self.is_deaf.load(Ordering::Relaxed) || by_map()
    }

    /// Whether the log is heard, and so the map the newest.
    pub(crate) fn set_heard(&self, is_heard: bool) {
        self.is_deaf.store(!is_heard, Ordering::Relaxed);
    }

    /// Notes the mark of a shard.
    pub(crate) fn note(&self, mark: i64) {
        if mark != 0 {
            self.was_said.store(true, Ordering::Relaxed);
        }
    }

    /// What a shard has said of all units, as far as that is remembered.
    pub(crate) fn said(&self, stream: StreamKind, shard: ShardId) -> Option<Arc<ShardOwnership>> {
        lock(&self.said).get(&stream.on(shard)).cloned()
    }

    /// Remembers what a shard says, for who reads there next.
    pub(crate) fn remember(&self, stream: StreamKind, shard: ShardId, said: &Arc<ShardOwnership>) {
        self.note(said.mark);
        lock(&self.said).insert(stream.on(shard), Arc::clone(said));
    }

    /// A shard says something else by now, of which nothing is known.
    pub(crate) fn forget(&self, stream: StreamKind, shard: ShardId) {
        lock(&self.said).remove(&stream.on(shard));
    }

    pub(crate) fn last_placement(&self, stream: StreamKind) -> Option<Arc<UnitPlacement>> {
        lock(&self.placements).get(&stream).cloned()
    }

    pub(crate) fn set_placement(&self, stream: StreamKind, placement: &Arc<UnitPlacement>) {
        lock(&self.placements).insert(stream, Arc::clone(placement));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
