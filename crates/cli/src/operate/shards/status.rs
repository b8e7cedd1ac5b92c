//! `forebay shards status`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use forebay_admin::moves::progress::{Progress, read};
use forebay_terminal::{grouped, note, out};

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
    out!("{}", if args.json { serde_json::to_string_pretty(&progress)? } else { text(&progress) })?;
    for sentence in progress.stopped.iter().chain(&progress.standing).chain(&progress.warnings) {
        note!("forebay: {sentence}");
    }
    Ok(if progress.stopped.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(progress: &Progress) -> String {
    let mut lines = Vec::new();
    if progress.ways.is_empty() {
        lines.push("Nothing moves.".to_owned());
    } else {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(["from", "to", "waiting", "under way", "going back", "there, kept where they were"]);
        for column in 2..6 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for way in &progress.ways {
            let count = |units: usize| grouped(units as u64);
            let counts = [way.waiting, way.under_way, way.turned_back, way.kept].map(count);
            table.add_row([vec![way.from.to_string(), way.to.to_string()], counts.to_vec()].concat());
        }
        lines.push(table.trim_fmt());
        let phases: Vec<String> =
            progress.phases.iter().map(|(phase, units)| format!("{} {phase}", grouped(*units as u64))).collect();
        if !phases.is_empty() {
            lines.push(format!("By phase: {}.", phases.join(", ")));
        }
    }
    let (copied, cleaned) = (grouped(progress.rows_copied), grouped(progress.rows_cleaned));
    lines.push(format!("{copied} rows have come from other shards, and {cleaned} were deleted that others own."));
    if progress.pace.paused {
        lines.push("What can be held is held: `forebay shards resume` goes on.".to_owned());
    }
    if let Some(rate) = progress.pace.rows_per_s {
        lines.push(format!("At most {} rows a second are copied from each shard.", grouped(rate.get().into())));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use forebay_admin::moves::progress::WayProgress;
    use forebay_model::{Pace, ShardId};

    use super::*;

    #[test]
    fn snapshot_of_what_moves() {
        let way =
            WayProgress { from: ShardId(0), to: ShardId(3), waiting: 1000, under_way: 32, kept: 300, turned_back: 1 };
        let pace = Pace { paused: true, rows_per_s: NonZeroU32::new(5000), keep_s: None };
        let mut progress = Progress {
            epoch: 12,
            pace,
            ways: vec![way],
            phases: [("copying", 30), ("owned", 300), ("routed", 2), ("turned_back", 1)].into(),
            stopped: Vec::new(),
            rows_copied: 123_456,
            rows_cleaned: 7,
            standing: Vec::new(),
            warnings: Vec::new(),
        };
        insta::assert_snapshot!(text(&progress));
        progress = Progress { pace: Pace::default(), ways: Vec::new(), phases: [].into(), ..progress };
        insta::assert_snapshot!(text(&progress));
    }
}
