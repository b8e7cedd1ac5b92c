//! `forebay shards status`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use forebay_admin::moves::progress::read;
use forebay_terminal::{grouped, moves_text, note, out};

use crate::operate::system::SystemArgs;

/// With --wait: how often it is looked, and how often it is said what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What `shards status` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// Wait until nothing moves any more
    #[arg(long)]
    pub wait: bool,

    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints what moves. The exit code is 1 where something has stopped by itself.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let system = args.system.find().await?;
    let log = system.connect_log().await?;
    let mut progress = read(&system, &log).await?;
    let mut said = Instant::now();
    while args.wait && progress.is_moving() {
        if said.elapsed() >= SAY_EVERY {
            said = Instant::now();
            note!("waiting for {} parts", grouped(progress.moving() as u64));
        }
        tokio::time::sleep(LOOK_EVERY).await;
        progress = read(&system, &log).await?;
    }
    out!("{}", if args.json { serde_json::to_string_pretty(&progress)? } else { moves_text(&progress) })?;
    for sentence in progress.stopped.iter().chain(&progress.standing).chain(&progress.warnings) {
        note!("forebay: {sentence}");
    }
    Ok(if progress.stopped.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
