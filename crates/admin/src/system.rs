//! Where the running system's log and shards are.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use forebay_log::{Log, LogArgs, LogSettings};
use forebay_model::{ShardId, ShardMap};
use forebay_service::BadSetting;
use forebay_shard::{PoolSettings, ShardList, ShardPool};

/// What is said where there is no map.
pub(crate) const NO_MAP: &str = "there is no shard map yet: run `forebay migrate`, or start a writer";
/// How long a map may take to be read.
const MAP_WITHIN: Duration = Duration::from_secs(3);

/// Where the log and the shards are.
#[derive(Debug, Clone)]
pub struct System {
    /// The log.
    pub log: LogArgs,
    /// The shards.
    pub shards: ShardList,
}

impl System {
    /// Connects to the log.
    ///
    /// # Errors
    /// [`BadSetting`] where the address is none, else why it cannot be reached.
    pub async fn connect_log(&self) -> Result<Log> {
        Ok(Log::connect(self.log_settings()?).await?)
    }

    /// Where the log is.
    ///
    /// # Errors
    /// [`BadSetting`] where the address is none.
    pub fn log_settings(&self) -> Result<LogSettings, BadSetting> {
        self.log.settings().map_err(|error| BadSetting::new(format!("--nats: {error}")))
    }

    /// The shard map of now. From then on each shard that is connected to must be one of this system.
    ///
    /// # Errors
    /// Where there is none yet.
    pub async fn map(&self, log: &Log) -> Result<Arc<ShardMap>> {
        let mut maps = log.map();
        let map = tokio::time::timeout(MAP_WITHIN, maps.wait_for(Option::is_some)).await;
        let map = map.context(NO_MAP)??.clone().context("there is no shard map")?;
        self.shards.set_system(&map);
        Ok(map)
    }

    /// Whether there is such a shard.
    ///
    /// # Errors
    /// [`BadSetting`] where there is not.
    pub fn check_shard(&self, shard: ShardId) -> Result<(), BadSetting> {
        if self.shards.get(shard).is_some() {
            return Ok(());
        }
        let count = self.shards.len();
        Err(BadSetting::new(match count {
            1 => format!("there is no shard {shard}: --shards has only shard 0"),
            _ => format!("there is no shard {shard}: --shards has 0 to {}", count - 1),
        }))
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

    /// How many shards there are.
    ///
    /// # Errors
    /// [`BadSetting`] where there are more than a map can hold.
    pub fn shard_count(&self) -> Result<NonZeroU16> {
        let shards = u16::try_from(self.shards.len()).ok().and_then(NonZeroU16::new);
        shards.context(BadSetting::new("--shards: there are too many of them"))
    }
}
