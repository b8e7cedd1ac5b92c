//! How far the streams of each server were when it last answered.

use std::sync::{Mutex, PoisonError};

use forebay_model::{PerKind, Position, StreamKind};

/// The last known positions of each server of a shard, by the server's number.
#[derive(Debug)]
pub(super) struct LastSeen(Vec<Mutex<PerKind<Option<StreamProgress>>>>);

/// How far a stream was.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamProgress {
    pub(super) position: Position,
    /// Whether that was far enough for a replica to be read.
    pub(super) is_fresh: bool,
}

impl LastSeen {
    pub(super) fn new(servers: usize) -> Self {
        Self((0..servers).map(|_| Mutex::default()).collect())
    }

    pub(super) fn get(&self, server: usize, kind: StreamKind) -> Option<StreamProgress> {
        self.0[server].lock().unwrap_or_else(PoisonError::into_inner)[kind]
    }

    pub(super) fn set(&self, server: usize, kind: StreamKind, seen: StreamProgress) {
        self.0[server].lock().unwrap_or_else(PoisonError::into_inner)[kind] = Some(seen);
    }
}
