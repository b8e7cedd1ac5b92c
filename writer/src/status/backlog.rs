//! What is in the log and not stored yet.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use forebay_log::Log;
use forebay_model::{ShardId, ShardMap, StreamKind};
use forebay_service::Problem;
use futures::future::join_all;
use tokio::time::sleep;

use crate::status::{State, Status};

/// How often it is looked at a position. Only somebody who stops the system waits for it.
const LOOK: Duration = Duration::from_millis(20);

/// What is in the log and not stored yet. Cloning it is cheap; all clones are of the same writer.
#[derive(Clone, Default)]
pub struct Backlog {
    /// Of every shard of the map.
    streams: Arc<RwLock<Vec<Status>>>,
    /// Empty until the log was reached.
    log: Arc<OnceLock<Log>>,
}

impl Backlog {
    pub(crate) fn streams(&self) -> Vec<Status> {
        self.streams.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A stream is drained from now on.
    pub(crate) fn add(&self, stream: Status) {
        self.streams.write().unwrap_or_else(PoisonError::into_inner).push(stream);
    }

    /// A shard's streams are drained no more.
    pub(crate) fn remove(&self, shard: ShardId) {
        self.streams.write().unwrap_or_else(PoisonError::into_inner).retain(|stream| stream.of().shard != shard);
    }

    /// Notes that the log was reached.
    pub(crate) fn set_log(&self, log: Log) {
        // It is reached for the first time only once.
        let _ = self.log.set(log);
    }

    /// The shard map as it stands.
    ///
    /// # Errors
    /// The problem `not_ready` before the log was reached.
    pub(crate) fn map(&self) -> Result<Arc<ShardMap>, Problem> {
        let map = self.log.get().and_then(|log| log.map().borrow().clone());
        map.ok_or_else(|| Problem::not_ready("the shard map has not been read yet"))
    }

    /// Resolves when every order that is in the log now is stored, or dead.
    ///
    /// Not waited for is a stream that this writer does not drain, and is not about to, because another writer does, its shard is away or
    /// somebody has to decide: its orders are as safe in the log as they are.
    pub async fn stored(&self) {
        let Some(log) = self.log.get() else { return };
        let streams = self.streams();
        let logged = streams.iter().filter(|status| status.of().kind == StreamKind::Logged);
        join_all(logged.map(|status| stored(log, status))).await;
    }
}

async fn stored(log: &Log, status: &Status) {
    let Ok(stream) = log.stream_state(status.of()).await else { return };
    let is_over = || {
        let now = status.now();
        let is_stored = now.position.map_or(stream.last_seq == 0, |position| position.covers(stream.last()));
        is_stored || !matches!(now.state, State::Starting | State::Draining)
    };
    while !is_over() {
        sleep(LOOK).await;
    }
}
