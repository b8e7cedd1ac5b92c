//! The shard map in its key-value bucket: bootstrap, and change by compare-and-swap.

use std::sync::Arc;

use async_nats::jetstream::kv::{self, CreateErrorKind, Operation, Store, UpdateErrorKind};
use async_nats::jetstream::stream::StorageType;
use forebay_model::{Epoch, ShardMap};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch::Receiver;

use crate::error::{LogError, MapError};
use crate::log::Log;
use crate::log::map_watch::{KEY, find_store, read};

/// How many maps the bucket keeps, for people who want to see what changed.
const HISTORY: i64 = 16;

impl Log {
    /// Follows the shard map. `None` until there is one; never an older epoch after a newer one.
    pub fn map(&self) -> Receiver<Option<Arc<ShardMap>>> {
        self.map_watch().subscribe()
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

    fn create_map<'a>(&'a self, map: &'a ShardMap) -> BoxFuture<'a, Result<Arc<ShardMap>, MapError>> {
        self.create_or_read(map).boxed()
    }

    async fn create_or_read(&self, map: &ShardMap) -> Result<Arc<ShardMap>, MapError> {
        let store = self.create_map_store(map.settings().streams.replicas.into()).await?;
        match store.create(KEY, as_json(map)?).await {
            Ok(_) => Ok(Arc::new(map.clone())),
            Err(error) if error.kind() == CreateErrorKind::AlreadyExists => {
                Ok(self.stored_map(&store).await?.ok_or(MapError::Absent)?.1)
            }
            Err(error) => Err(self.refused("store the shard map".to_owned(), &error).into()),
        }
    }

    /// The map as it is stored now: what it is to be changed from.
    ///
    /// # Errors
    /// [`MapError::Absent`] where there is none yet.
    pub async fn read_map(&self) -> Result<Arc<ShardMap>, MapError> {
        let stored = self.while_connected(self.find_map().boxed()).await?;
        self.map_watch().show(&stored);
        Ok(stored)
    }

    async fn find_map(&self) -> Result<Arc<ShardMap>, MapError> {
        let store = self.map_store().await?;
        Ok(self.stored_map(&store).await?.ok_or(MapError::Absent)?.1)
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

    /// Changes the map by compare-and-swap, as often as somebody else is faster. `next` gives the map that follows the one that is stored, or
    /// nothing where that one is as it should be. Gives the map that is stored then.
    ///
    /// # Errors
    /// What `next` says, or as [`Log::update_map`], but for a conflict.
    pub async fn change_map<E: From<MapError>>(
        &self,
        mut next: impl FnMut(&ShardMap) -> Result<Option<ShardMap>, E>,
    ) -> Result<Arc<ShardMap>, E> {
        loop {
            let map = self.read_map().await?;
            let Some(next) = next(&map)? else { return Ok(map) };
            match self.update_map(&next).await {
                Ok(()) => return Ok(Arc::new(next)),
                Err(MapError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn replace_map<'a>(&'a self, map: &'a ShardMap) -> BoxFuture<'a, Result<(), MapError>> {
        self.compare_and_swap(map).boxed()
    }

    async fn compare_and_swap(&self, map: &ShardMap) -> Result<(), MapError> {
        let store = self.map_store().await?;
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

    async fn map_store(&self) -> Result<Store, MapError> {
        match find_store(self.jetstream(), &self.name().map_bucket()).await {
            Ok(store) => store.ok_or(MapError::Absent),
            Err(error) => Err(self.refused("find the shard map".to_owned(), &error).into()),
        }
    }

    async fn create_map_store(&self, num_replicas: usize) -> Result<Store, LogError> {
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
            num_replicas,
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
