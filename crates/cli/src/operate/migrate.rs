//! `forebay migrate`.

use std::process::ExitCode;

use anyhow::Result;
use forebay_admin::migrate::{self, Settings, TablesReady};
use forebay_log::StreamArgs;
use forebay_model::Hash;

use super::system::{Routing, SystemArgs};

/// What `forebay migrate` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// How customers become buckets, where there is no shard map yet
    #[arg(long, env = "FOREBAY_ROUTING", value_name = "ROUTING", default_value = "md5")]
    pub routing: Routing,

    /// How the log's streams are made.
    #[command(flatten)]
    pub streams: StreamArgs,
}

/// Prepares everything.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let hash = Hash::from(args.routing);
    let StreamArgs { stream_bytes_max, stream_replicas } = args.streams;
    let settings =
        Settings { hash, stream_bytes_max: stream_bytes_max.as_u64(), stream_replicas: stream_replicas.into() };
    let told = |TablesReady { shard, addresses }| eprintln!("shard {shard} ({addresses}): the tables are up to date");
    let migrated = migrate::run(&args.system.into(), &settings, &told).await?;
    eprintln!("log {}: streams of {} shards, map of epoch {}", migrated.log_prefix, migrated.shards, migrated.epoch);
    if migrated.hash != hash {
        eprintln!("the shard map that is there routes by {:?}, and keeps doing so", migrated.hash);
    }
    Ok(ExitCode::SUCCESS)
}
