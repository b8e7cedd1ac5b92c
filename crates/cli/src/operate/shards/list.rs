//! `forebay shards`: the map and each shard's figures.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use forebay_admin::shards::read;
use forebay_terminal::{figures_text, note, or_dash, out};

use crate::operate::system::SystemArgs;

/// With --wait: how often it is looked, and how often it is said what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What `forebay shards` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// Wait until the shards hold everything that is in the log, and everything that follows from it
    #[arg(long)]
    pub wait: bool,

    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,

    /// Print SQL instead: run by psql in a database of your own, it makes the tables of all shards there (`postgres_fdw`), in the schema
    /// `forebay`. It holds the passwords of the shards
    #[arg(long, conflicts_with_all = ["wait", "json"])]
    pub foreign_tables: bool,
}

/// Prints the map and the figures. The exit code is 1 where a shard cannot be reached.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let system = args.system.find().await?;
    if args.foreign_tables {
        out!("{}", system.shards.foreign_tables())?;
        return Ok(ExitCode::SUCCESS);
    }
    let log = system.connect_log().await?;
    let mut figures = read(&log, &system).await?;
    let mut said = Instant::now();
    while args.wait && !figures.is_drained() && !figures.has_faults() {
        if said.elapsed() >= SAY_EVERY {
            said = Instant::now();
            note!("waiting for {} frames to be committed", or_dash(figures.lag_frames()));
        }
        tokio::time::sleep(LOOK_EVERY).await;
        figures = read(&log, &system).await?;
    }
    out!("{}", if args.json { serde_json::to_string_pretty(&figures)? } else { figures_text(&figures) })?;
    let problems = figures.problems();
    for sentence in problems.iter().chain(&figures.scarce()) {
        note!("forebay: {sentence}");
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
