//! `forebay migrate`.

use std::process::ExitCode;

use anyhow::Result;
use forebay_admin::migrate::{self, Settings, TablesReady};
use forebay_model::Hash;
use forebay_service::units::ByteSize;

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

    /// Bytes that each stream may take; a full stream refuses orders
    #[arg(long, env = "FOREBAY_STREAM_BYTES_MAX", value_name = "BYTES", default_value_t = ByteSize::mib(1024))]
    pub stream_bytes_max: ByteSize,

    /// NATS servers that keep each stream
    #[arg(long, env = "FOREBAY_STREAM_REPLICAS", value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..=5))]
    pub stream_replicas: u8,
}

/// Prepares everything.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let hash = Hash::from(args.routing);
    let settings =
        Settings { hash, stream_bytes_max: args.stream_bytes_max.get(), stream_replicas: args.stream_replicas.into() };
    let told = |TablesReady { shard, addresses }| eprintln!("shard {shard} ({addresses}): the tables are up to date");
    let migrated = migrate::run(&args.system.into(), &settings, &told).await?;
    eprintln!("log {}: streams of {} shards, map of epoch {}", migrated.log_prefix, migrated.shards, migrated.epoch);
    if migrated.hash != hash {
        eprintln!("the shard map that is there routes by {:?}, and keeps doing so", migrated.hash);
    }
    Ok(ExitCode::SUCCESS)
}
