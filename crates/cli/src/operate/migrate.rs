//! `forebay migrate`.

use std::process::ExitCode;

use anyhow::Result;
use forebay_admin::migrate::{self, TablesReady};
use forebay_log::FoundingArgs;
use forebay_terminal::note;

use super::system::SystemArgs;

/// What `forebay migrate` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// What a new system is made with.
    #[command(flatten)]
    pub founding: FoundingArgs,
}

/// Prepares everything.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let told = |TablesReady { shard, addresses }| note!("shard {shard} ({addresses}): the tables are up to date");
    let migrated = migrate::run(args.system.log, &args.system.shards, &args.founding, &told).await?;
    note!("log {}: streams of {} shards, map of epoch {}", migrated.log_prefix, migrated.shards, migrated.epoch);
    Ok(ExitCode::SUCCESS)
}
