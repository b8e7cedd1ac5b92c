//! The shard map in its key-value bucket: bootstrap, change by compare-and-swap, and a copy that is kept current.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::KeyValueErrorKind;
use async_nats::jetstream::kv::{self, CreateErrorKind, Entry, Operation, Store, UpdateErrorKind};
use async_nats::jetstream::stream::StorageType;
use forebay_model::{Epoch, ShardMap};
use futures::StreamExt;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::error::{LogError, causes};
use crate::link::Link;
use crate::log::Log;
use crate::settings::LogSettings;

/// The one key of the bucket.
const KEY: &str = "map";
/// How many maps the bucket keeps, for people who want to see what changed.
const HISTORY: i64 = 16;
/// How often the map is read again although nothing was announced: a watch that has silently died must not matter.
const READ_AGAIN: Duration = Duration::from_secs(5);
/// How often a bucket that is not there yet is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Why a shard map was not stored or read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MapError {
    /// The stored map is not the one that the change was made from.
    #[error("the shard map has changed meanwhile: it is at epoch {current}, so epoch {wanted} cannot follow")]
    Conflict {
        /// The epoch of the stored map.
        current: Epoch,
        /// The epoch that should have been stored.
        wanted: Epoch,
    },
    /// There is no map yet.
    #[error("there is no shard map yet")]
    Absent,
    /// What is stored is no shard map.
    #[error("the stored shard map cannot be read: {0}")]
    Unreadable(String),
    /// The log cannot be asked.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Log {
    /// Follows the shard map. `None` until there is one; never an older epoch after a newer one.
    pub fn map(&self) -> watch::Receiver<Option<Arc<ShardMap>>> {
        self.map_watch().current.subscribe()
    }

    /// Stores the first map where there is none, and gives the map that is there then. Of several processes that do
    /// it at once, one wins. To be called after [`Log::ensure_streams`]: who sees a map may count on its streams.
    ///
    /// # Errors
    /// [`MapError::Unreadable`] where something else is stored.
    pub async fn create_map_if_absent(&self, map: &ShardMap) -> Result<Arc<ShardMap>, MapError> {
        let stored = self.while_connected(self.create_map(map)).await?;
        self.map_watch().show(&stored);
        Ok(stored)
    }

    async fn create_map(&self, map: &ShardMap) -> Result<Arc<ShardMap>, MapError> {
        let store = self.create_map_store().await?;
        match store.create(KEY, as_json(map)?).await {
            Ok(_) => Ok(Arc::new(map.clone())),
            Err(error) if error.kind() == CreateErrorKind::AlreadyExists => {
                Ok(self.stored_map(&store).await?.ok_or(MapError::Absent)?.1)
            }
            Err(error) => Err(self.refused("store the shard map".to_owned(), &error).into()),
        }
    }

    /// Stores the next map. Its epoch must be the stored map's plus one.
    ///
    /// # Errors
    /// [`MapError::Conflict`] where somebody else was faster: read the map again, and make the change again.
    pub async fn update_map(&self, map: &ShardMap) -> Result<(), MapError> {
        self.while_connected(self.replace_map(map)).await?;
        self.map_watch().show(&Arc::new(map.clone()));
        Ok(())
    }

    async fn replace_map(&self, map: &ShardMap) -> Result<(), MapError> {
        let store = match find_store(self.jetstream(), &self.name().map_bucket()).await {
            Ok(store) => store.ok_or(MapError::Absent)?,
            Err(error) => return Err(self.refused("find the shard map".to_owned(), &error).into()),
        };
        let (revision, current) = self.stored_map(&store).await?.ok_or(MapError::Absent)?;
        let conflict = |current: Epoch| MapError::Conflict { current, wanted: map.epoch() };
        if map.epoch().0 != current.epoch().0 + 1 {
            return Err(conflict(current.epoch()));
        }
        match store.update(KEY, as_json(map)?, revision).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                let current = self.stored_map(&store).await?.ok_or(MapError::Absent)?.1;
                Err(conflict(current.epoch()))
            }
            Err(error) => Err(self.refused("store the shard map".to_owned(), &error).into()),
        }
    }

    async fn create_map_store(&self) -> Result<Store, LogError> {
        let bucket = self.name().map_bucket();
        let refused =
            |error: &(dyn std::error::Error + 'static)| self.refused(format!("make the bucket {bucket}"), error);
        if let Some(store) = find_store(self.jetstream(), &bucket).await.map_err(|error| refused(&error))? {
            return Ok(store);
        }
        let config = kv::Config {
            bucket: bucket.clone(),
            description: "Forebay: the shard map".to_owned(),
            history: HISTORY,
            storage: StorageType::File,
            num_replicas: self.settings().replicas,
            ..kv::Config::default()
        };
        match self.jetstream().create_key_value(config).await {
            Ok(store) => Ok(store),
            // Somebody else may have made it just now, with other settings.
            Err(error) => match find_store(self.jetstream(), &bucket).await {
                Ok(Some(store)) => Ok(store),
                _ => Err(refused(&error)),
            },
        }
    }

    async fn stored_map(&self, store: &Store) -> Result<Option<(u64, Arc<ShardMap>)>, MapError> {
        let entry = store.entry(KEY).await.map_err(|error| self.refused("read the shard map".to_owned(), &error))?;
        entry
            .filter(|entry| entry.operation == Operation::Put)
            .map(|entry| Ok((entry.revision, read(&entry)?)))
            .transpose()
    }
}

fn as_json(map: &ShardMap) -> Result<bytes::Bytes, MapError> {
    serde_json::to_vec(map).map(Into::into).map_err(|error| MapError::Unreadable(error.to_string()))
}

fn read(entry: &Entry) -> Result<Arc<ShardMap>, MapError> {
    serde_json::from_slice(&entry.value).map(Arc::new).map_err(|error| MapError::Unreadable(error.to_string()))
}

async fn find_store(
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

    /// Shows a map that this process has stored or read itself, without waiting for the watch to bring it.
    fn show(&self, map: &Arc<ShardMap>) {
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
            tracing::error!(known = %known.epoch(), stored = %map.epoch(), "the stored shard map is older than the known one");
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
                    Some(Ok(entry)) => self.take(&entry),
                    Some(Err(error)) => return Err(causes(&error)),
                    None => return Err("the watch has ended".to_owned()),
                },
                () = tokio::time::sleep(READ_AGAIN) => {
                    let entry = store.entry(KEY).await.map_err(|error| causes(&error))?;
                    if let Some(entry) = entry {
                        self.take(&entry);
                    }
                }
            }
        }
    }

    fn take(&self, entry: &Entry) {
        match entry.operation {
            Operation::Put => match read(entry) {
                Ok(map) => show(&self.current, &map),
                Err(error) => tracing::error!(%error, revision = entry.revision, "keeping the known shard map"),
            },
            Operation::Delete | Operation::Purge => {
                tracing::error!(revision = entry.revision, "the stored shard map was deleted; keeping the known one");
            }
        }
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
