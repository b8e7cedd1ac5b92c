//! The tables of the shards, the streams of the log, and the first shard map.
//!
//! Streams come before the map, because whoever sees a map counts on its streams. Running it again changes nothing.

use anyhow::{Context, Result, bail};
use forebay_log::{Log, LogSettings};
use forebay_model::{Epoch, Hash, ShardId, StreamId};
use futures::future::join_all;
use serde::Serialize;

use crate::Tell;
use crate::system::System;

/// What may be chosen. The writer has the same settings: two opinions about a stream would change it back and forth.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How customers become buckets, where there is no shard map yet.
    pub hash: Hash,
    /// Bytes that each stream may take; a full stream refuses orders.
    pub stream_bytes_max: u64,
    /// NATS servers that keep each stream.
    pub stream_replicas: usize,
}

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
    /// How customers become buckets. A map that was there before keeps to its own way.
    pub hash: Hash,
}

/// Prepares everything.
///
/// # Errors
/// One sentence about every shard that cannot be migrated, or about the log.
pub async fn run(system: &System, settings: &Settings, tell: Tell<'_, TablesReady>) -> Result<Migrated> {
    migrate_shards(system, tell).await?;
    let log_settings = LogSettings {
        stream_bytes_max: settings.stream_bytes_max,
        replicas: settings.stream_replicas,
        ..system.log_settings()?
    };
    let log = Log::connect(log_settings).await?;
    let first = system.first_map(settings.hash)?;
    log.ensure_streams(first.shards().flat_map(StreamId::all_of)).await?;
    let map = log.create_map_if_absent(&first).await?;
    log.ensure_streams(map.shards().flat_map(StreamId::all_of)).await?;
    // A map that was there before may be another one than the settings would make.
    if let Some(missing) = map.shards().find(|&shard| system.shards.get(shard).is_none()) {
        bail!("the shard map names shard {missing}, and --shards has only {} of them", system.shards.len());
    }
    let (log_prefix, shards) = (system.log_prefix.to_string(), map.shards().len());
    Ok(Migrated { log_prefix, shards, epoch: map.epoch(), hash: map.hash() })
}

async fn migrate_shards(system: &System, tell: Tell<'_, TablesReady>) -> Result<()> {
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
