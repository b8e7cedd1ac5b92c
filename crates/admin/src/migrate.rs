//! The streams of the log, the first shard map, and the tables of the shards.
//!
//! Streams come before the map, because every process that sees a map counts on its streams. The map says which system it is, and what takes in the
//! shards writes that into them. Running it again changes nothing.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use forebay_log::{FoundingArgs, FoundingError, Log, LogArgs};
use forebay_model::{Epoch, ShardId, ShardMap};
use forebay_service::BadSetting;
use forebay_shard::{ShardArgs, system_of};
use futures::future::join_all;
use serde::Serialize;

use crate::Tell;
use crate::system::System;

/// A shard whose tables are up to date.
#[derive(Debug)]
pub struct TablesReady {
    /// Which.
    pub shard: ShardId,
    /// Where it is.
    pub addresses: String,
}

/// What is there at the end.
#[derive(Debug, Clone, Serialize)]
pub struct Migrated {
    /// What the names of streams begin with.
    pub log_prefix: String,
    /// How many shards the map has.
    pub shards: usize,
    /// The map's.
    pub epoch: Epoch,
}

/// Prepares everything.
///
/// # Errors
/// [`BadSetting`] where there is a system already and `founding` says other things of it; one sentence about every shard that
/// cannot be migrated, or about the log.
pub async fn run(
    log: LogArgs,
    shards: &ShardArgs,
    founding: &FoundingArgs,
    tell: Tell<'_, TablesReady>,
) -> Result<Migrated> {
    let (system, map) = found(log, shards, founding).await?;
    tables(&system, tell).await?;
    let (log_prefix, shards) = (system.log.log_prefix.to_string(), map.shards().len());
    Ok(Migrated { log_prefix, shards, epoch: map.epoch() })
}

/// The system of a log, with its map and streams; where there is none, they are made.
///
/// # Errors
/// [`BadSetting`] where there is a system already and `founding` says other things of it; one sentence about the log, or about shards that
/// do not tell of which system they are.
pub async fn found(log: LogArgs, shards: &ShardArgs, founding: &FoundingArgs) -> Result<(System, Arc<ShardMap>)> {
    let bad = |error: String| BadSetting::new(error);
    let connected = Log::connect(log.settings().map_err(|error| bad(format!("--nats: {error}")))?).await?;
    let new = shards.of_new();
    let mut map = match connected.found(new.members(), founding, system_of(&new)).await {
        Err(FoundingError::Disagrees(disagreement)) => return Err(bad(disagreement.to_string()).into()),
        found => found?,
    };
    if let Some(told) = &shards.shards {
        map = connected.complete_map(&told.members()).await?;
    }
    let shards = shards.of_map(&map).map_err(|error| bad(error.to_string()))?;
    Ok((System { log, shards }, map))
}

/// Gives every shard its tables.
///
/// # Errors
/// One sentence about every shard that cannot be migrated.
pub async fn tables(system: &System, tell: Tell<'_, TablesReady>) -> Result<()> {
    let migrations = system.shards.iter().map(|(shard, addresses)| async move {
        let outcome = forebay_shard::migrate(addresses).await;
        let addresses = addresses.to_string();
        outcome.with_context(|| format!("shard {shard} ({addresses})")).map(|()| TablesReady { shard, addresses })
    });
    let mut failed = Vec::new();
    for outcome in join_all(migrations).await {
        match outcome {
            Ok(ready) => tell(ready),
            Err(error) => failed.push(format!("{error:#}")),
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("{}", failed.join("; ")) }
}
