//! `forebay dead purge`: deleting letters. What was requeued is in the log again and can go; what was not is the only
//! trace of a fact, so it goes only when that is said.

use std::process::ExitCode;

use anyhow::{Context, Result};
use forebay_shard::{DeadLetter, LetterFilter};

use super::pool_settings;
use super::which::Which;
use crate::grouped::grouped;
use crate::system::SystemSettings;

/// What `dead purge` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemSettings,

    /// Which letters.
    #[command(flatten)]
    pub which: Which,

    /// Delete letters that were not requeued too: what is in them is gone then
    #[arg(long)]
    pub unrequeued: bool,

    /// Print how many were deleted as JSON
    #[arg(long)]
    pub json: bool,
}

/// Deletes them. The exit code is 1 where a letter that was named is not there.
pub(super) async fn run(settings: &Settings) -> Result<ExitCode> {
    settings.which.check(&settings.system)?;
    let missing = settings.which.missing(&settings.system).await?;
    let (mut purged, mut kept) = (0, 0);
    for pool in settings.system.pools(settings.which.filters.shard, &pool_settings())? {
        let Some(filter) = settings.which.filter(pool.shard()) else { continue };
        let mut connection = pool.acquire().await?;
        let gone = LetterFilter { is_requeued: (!settings.unrequeued).then_some(true), ..filter.clone() };
        let deleted = DeadLetter::purge(&mut connection, &gone).await;
        purged += deleted.with_context(|| format!("the dead letters of shard {} cannot be deleted", pool.shard()))?;
        let left = DeadLetter::counts(&mut connection, &filter).await?;
        kept += left.iter().map(|count| count.letters).sum::<u64>();
    }
    if settings.json {
        println!("{}", serde_json::json!({"purged": purged, "kept": kept, "missing": missing}));
    } else {
        println!("{} dead letters deleted", grouped(purged));
    }
    if kept > 0 {
        eprintln!("{} letters were not requeued and stay; --unrequeued deletes them too", grouped(kept));
    }
    Ok(if missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
