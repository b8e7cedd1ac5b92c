//! A copy of the shard map that is kept current.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::KeyValueErrorKind;
use async_nats::jetstream::kv::{Entry, Operation, Store};
use forebay_model::{Epoch, ShardMap};
use futures::StreamExt;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::connection::link::Link;
use crate::error::{MapError, causes};
use crate::settings::LogSettings;

/// The one key of the bucket.
pub(crate) const KEY: &str = "map";
/// How often the map is read again although nothing was announced: a watch that has silently died must not matter.
const READ_AGAIN: Duration = Duration::from_secs(5);
/// How often a bucket that is not there yet is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

pub(crate) fn read(entry: &Entry) -> Result<Arc<ShardMap>, MapError> {
    serde_json::from_slice(&entry.value).map(Arc::new).map_err(|error| MapError::Unreadable(error.to_string()))
}

pub(crate) async fn find_store(
    jetstream: &Context,
    bucket: &str,
) -> Result<Option<Store>, async_nats::jetstream::context::KeyValueError> {
    match jetstream.get_key_value(bucket).await {
        Ok(store) => Ok(Some(store)),
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The client wraps "stream not found" twice; only the innermost error has the code.
fn is_not_found(error: &async_nats::jetstream::context::KeyValueError) -> bool {
    use async_nats::jetstream::ErrorCode;
    use async_nats::jetstream::context::{GetStreamError, GetStreamErrorKind};
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<GetStreamError>());
    let code = source.map(GetStreamError::kind);
    error.kind() == KeyValueErrorKind::GetBucket
        && matches!(code, Some(GetStreamErrorKind::JetStream(e)) if e.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

/// The copy of the map that is kept current, and the task that does it. The task ends with the last clone of the log.
#[derive(Debug)]
pub(crate) struct MapWatch {
    current: watch::Sender<Option<Arc<ShardMap>>>,
    task: AbortHandle,
}

impl MapWatch {
    pub(crate) fn start(settings: &LogSettings, jetstream: Context, link: Link) -> Self {
        let current = watch::Sender::new(None);
        let follower = Follower { jetstream, link, bucket: settings.name.map_bucket(), current: current.clone() };
        Self { current, task: settings.spawner.spawn("shard map", follower.run()) }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Arc<ShardMap>>> {
        self.current.subscribe()
    }

    /// Shows a map that this process has stored or read itself, without waiting for the watch to bring it.
    pub(crate) fn show(&self, map: &Arc<ShardMap>) {
        show(&self.current, map);
    }
}

impl Drop for MapWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes over a map unless it is older than the one that is known, and wakes the receivers if it is another one.
fn show(current: &watch::Sender<Option<Arc<ShardMap>>>, map: &Arc<ShardMap>) {
    current.send_if_modified(|known| match known {
        Some(known) if known.epoch() > map.epoch() => {
            // What this process has stored itself it knows before the watch brings what was stored before that.
            tracing::debug!(known = %known.epoch(), stored = %map.epoch(), "an older shard map is passed over");
            false
        }
        Some(known) if **known == **map => false,
        _ => {
            tracing::info!(epoch = %map.epoch(), shards = map.shards().len(), "shard map");
            *known = Some(Arc::clone(map));
            true
        }
    });
}

struct Follower {
    jetstream: Context,
    link: Link,
    bucket: String,
    current: watch::Sender<Option<Arc<ShardMap>>>,
}

impl Follower {
    async fn run(self) {
        loop {
            let losses = self.link.losses();
            let ended = tokio::select! {
                ended = self.follow() => ended,
                () = self.link.lost_since(losses) => Err("the connection was lost".to_owned()),
            };
            if let Err(reason) = ended {
                tracing::warn!(bucket = self.bucket, reason, "following the shard map was interrupted");
            }
            tokio::time::sleep(LOOK_AGAIN).await;
            self.link.wait_connected(READ_AGAIN).await;
        }
    }

    /// Follows the map until something is wrong. Without an error where there is no bucket yet.
    async fn follow(&self) -> Result<(), String> {
        let Some(store) = find_store(&self.jetstream, &self.bucket).await.map_err(|error| causes(&error))? else {
            return Ok(());
        };
        let mut changes = store.watch_with_history(KEY).await.map_err(|error| causes(&error))?;
        loop {
            tokio::select! {
                change = changes.next() => match change {
                    Some(Ok(entry)) => drop(self.take(&entry)),
                    Some(Err(error)) => return Err(causes(&error)),
                    None => return Err("the watch has ended".to_owned()),
                },
                () = tokio::time::sleep(READ_AGAIN) => {
                    let known = self.current.borrow().as_ref().map(|map| map.epoch());
                    let entry = store.entry(KEY).await.map_err(|error| causes(&error))?;
                    let stored = entry.and_then(|entry| self.take(&entry));
                    if let (Some(known), Some(stored)) = (known, stored) && known > stored {
                        tracing::error!(%known, %stored, "the stored shard map is older than the known one");
                    }
                }
            }
        }
    }

    /// Takes over the map of an entry, and gives its epoch.
    fn take(&self, entry: &Entry) -> Option<Epoch> {
        match entry.operation {
            Operation::Put => match read(entry) {
                Ok(map) => {
                    show(&self.current, &map);
                    return Some(map.epoch());
                }
                Err(error) => tracing::error!(%error, revision = entry.revision, "keeping the known shard map"),
            },
            Operation::Delete | Operation::Purge => {
                tracing::error!(revision = entry.revision, "the stored shard map was deleted; keeping the known one");
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::Hash;
    use std::num::NonZeroU16;

    fn map(epoch: u64) -> Arc<ShardMap> {
        let even = ShardMap::even(NonZeroU16::MIN, Hash::Md5);
        let mut json = serde_json::to_value(even).unwrap();
        json["epoch"] = epoch.into();
        Arc::new(serde_json::from_value(json).unwrap())
    }

    #[test]
    fn an_older_map_is_not_shown() {
        let current = watch::Sender::new(None);
        let mut seen = current.subscribe();
        for (epoch, expected, wakes) in [(2, 2, true), (1, 2, false), (2, 2, false), (3, 3, true)] {
            show(&current, &map(epoch));
            assert_eq!(seen.has_changed().unwrap(), wakes, "epoch {epoch}");
            assert_eq!(seen.borrow_and_update().as_ref().unwrap().epoch(), Epoch(expected));
        }
    }
}
