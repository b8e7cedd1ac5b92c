//! `forebay migrate`: the tables of the shards, the streams of the log, and the first shard map.
//!
//! Streams come before the map, because whoever sees a map counts on its streams. Running it again changes nothing.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use forebay_log::{Log, LogSettings};
use forebay_model::{ShardMap, StreamId};
use forebay_service::units::ByteSize;
use futures::future::join_all;

use crate::system::{Routing, SystemSettings};

/// What `forebay migrate` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemSettings,

    /// How customers become buckets, where there is no shard map yet
    #[arg(long, env = "FOREBAY_ROUTING", value_name = "ROUTING", default_value = "md5")]
    pub routing: Routing,

    /// Bytes that each stream may take; a full stream refuses orders
    #[arg(long, env = "FOREBAY_STREAM_BYTES_MAX", value_name = "BYTES", default_value_t = ByteSize::mib(1024))]
    pub stream_bytes_max: ByteSize,

    /// NATS servers that keep each stream
    #[arg(long, env = "FOREBAY_STREAM_REPLICAS", value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..=5))]
    pub stream_replicas: u8,
}

/// Prepares everything.
///
/// # Errors
/// One sentence about every shard that cannot be migrated, or about the log.
pub async fn run(settings: &Settings) -> Result<ExitCode> {
    migrate_shards(&settings.system).await?;
    // The writer has the same settings: two opinions about a stream would change it back and forth.
    let log_settings = LogSettings {
        stream_bytes_max: settings.stream_bytes_max.get(),
        replicas: settings.stream_replicas.into(),
        ..settings.system.log_settings()?
    };
    let log = Log::connect(log_settings).await?;
    let first = settings.system.first_map(settings.routing)?;
    log.ensure_streams(first.shards().flat_map(StreamId::all_of)).await?;
    let map = log.create_map_if_absent(&first).await?;
    log.ensure_streams(map.shards().flat_map(StreamId::all_of)).await?;
    eprintln!(
        "log {}: streams of {} shards, map of epoch {}",
        settings.system.log_prefix,
        map.shards().len(),
        map.epoch()
    );
    check(&map, settings)?;
    Ok(ExitCode::SUCCESS)
}

async fn migrate_shards(system: &SystemSettings) -> Result<()> {
    let migrations = system.shards.iter().map(|(shard, addresses)| async move {
        let outcome = forebay_shard::migrate(addresses).await;
        outcome.with_context(|| format!("shard {shard} ({addresses})")).map(|()| format!("shard {shard} ({addresses})"))
    });
    let mut failed = Vec::new();
    for outcome in join_all(migrations).await {
        match outcome {
            Ok(shard) => eprintln!("{shard}: the tables are up to date"),
            Err(error) => failed.push(format!("{error:#}")),
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("{}", failed.join("; ")) }
}

/// A map that was there before may be another one than the settings would make.
fn check(map: &ShardMap, settings: &Settings) -> Result<()> {
    if let Some(missing) = map.shards().find(|&shard| settings.system.shards.get(shard).is_none()) {
        bail!("the shard map names shard {missing}, and --shards has only {} of them", settings.system.shards.len());
    }
    if map.hash() != settings.routing.into() {
        eprintln!("the shard map that is there routes by {:?}, and keeps doing so", map.hash());
    }
    Ok(())
}
