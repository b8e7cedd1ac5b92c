//! `forebay index backfill`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use forebay_admin::backfill::{self, Report, Settings};
use forebay_model::Lane;
use forebay_terminal::{grouped, note};

use super::system::SystemArgs;

/// Fill in index entries and views for orders that are already stored
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// The lanes to fill in, separated by commas
    #[arg(long, value_name = "LANES", default_value = "index,views", value_delimiter = ',', value_parser = lane)]
    pub lanes: Vec<Lane>,

    /// Begin with the oldest order instead of where an earlier run ended
    #[arg(long)]
    pub restart: bool,
}

fn lane(text: &str) -> Result<Lane, String> {
    match text.parse() {
        Ok(Lane::Orders) => Err(String::from("the lane orders is what is read; fill in index, views or both")),
        Ok(lane) => Ok(lane),
        Err(error) => Err(format!("{error}")),
    }
}

/// Fills in what is asked for.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let Args { system, lanes, restart } = args;
    let Report { filled, failed } = backfill::run(&system.find().await?, &Settings { lanes, restart }).await?;
    for shard in &filled {
        note!("shard {}: {} orders read, {} facts stored", shard.shard, grouped(shard.orders), grouped(shard.facts));
    }
    if !failed.is_empty() {
        bail!("{}; run it again to go on from there", failed.join("; "));
    }
    Ok(ExitCode::SUCCESS)
}
