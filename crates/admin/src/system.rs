//! Where the running system's log and shards are.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use forebay_log::{Log, LogArgs, LogSettings, MapError};
use forebay_model::{ShardId, ShardMap};
use forebay_service::BadSetting;
use forebay_shard::{PoolSettings, ShardArgs, ShardList, ShardPool};

/// What is said where there is no map.
pub(crate) const NO_MAP: &str = "there is no shard map yet: run `forebay migrate`, or start a writer";
/// How long a map may take to be read.
const MAP_WITHIN: Duration = Duration::from_secs(3);

/// Where the log and the shards are.
#[derive(Debug, Clone)]
pub struct System {
    /// The log.
    pub log: LogArgs,
    /// Where each shard of the map is.
    pub shards: ShardList,
}

impl System {
    /// The system of a log. Where there is no map yet, its shards are those on which one would be made; where the log cannot be reached, those
    /// that somebody has named.
    ///
    /// # Errors
    /// [`BadSetting`] where an address is not valid, or does not fit the map; else why the map cannot be read.
    pub async fn find(log: LogArgs, shards: &ShardArgs) -> Result<Self> {
        let settings = log.settings().map_err(|error| BadSetting::new(format!("--nats: {error}")))?;
        let read = async { Log::connect(settings).await?.read_map().await };
        let list = match (read.await, &shards.shards) {
            (Ok(map), _) => shards.of_map(&map).map_err(|error| BadSetting::new(error.to_string()))?,
            (Err(MapError::Absent), _) => shards.of_new(),
            (Err(MapError::Log(_)), Some(told)) => told.clone(),
            (Err(error), _) => return Err(error.into()),
        };
        Ok(Self { log, shards: list })
    }

    /// Connects to the log.
    ///
    /// # Errors
    /// [`BadSetting`] where the address is not valid, else why it cannot be reached.
    pub async fn connect_log(&self) -> Result<Log> {
        Ok(Log::connect(self.log_settings()?).await?)
    }

    /// Where the log is.
    ///
    /// # Errors
    /// [`BadSetting`] where the address is not valid.
    pub fn log_settings(&self) -> Result<LogSettings, BadSetting> {
        self.log.settings().map_err(|error| BadSetting::new(format!("--nats: {error}")))
    }

    /// The shard map of now.
    ///
    /// # Errors
    /// Where there is none yet.
    pub async fn map(&self, log: &Log) -> Result<Arc<ShardMap>> {
        let mut maps = log.map();
        let map = tokio::time::timeout(MAP_WITHIN, maps.wait_for(Option::is_some)).await;
        map.context(NO_MAP)??.clone().context("there is no shard map")
    }

    /// Whether there is such a shard.
    ///
    /// # Errors
    /// [`BadSetting`] where there is not.
    pub fn check_shard(&self, shard: ShardId) -> Result<(), BadSetting> {
        if self.shards.get(shard).is_some() {
            return Ok(());
        }
        let numbers: Vec<String> = self.shards.iter().map(|(shard, _)| shard.to_string()).collect();
        Err(BadSetting::new(format!("there is no shard {shard}: this system has {}", numbers.join(", "))))
    }

    /// Connections to every shard, or to one.
    ///
    /// # Errors
    /// [`BadSetting`] where there is no such shard.
    pub fn pools(&self, only: Option<ShardId>, settings: &PoolSettings) -> Result<Vec<ShardPool>, BadSetting> {
        only.map_or(Ok(()), |shard| self.check_shard(shard))?;
        let wanted = self.shards.iter().filter(|&(shard, _)| only.is_none_or(|only| only == shard));
        Ok(wanted.map(|(shard, addresses)| ShardPool::new(shard, addresses, settings)).collect())
    }
}
