//! `forebay shards remove`.

use std::process::ExitCode;

use anyhow::Result;
use forebay_admin::members::{self, Removal, RemovalEvent, RemovalStep};
use forebay_model::ShardId;
use forebay_terminal::{note, out};

use crate::operate::system::{self, SystemArgs};

/// Take a shard that has nothing any more out of the system, while everything runs: it is drained and read no more, and its streams go
///
/// Looks first what stops it, and shows what would be done. The same command again goes on where one was cut off. Its database stays as it is, and is
/// nobody's then.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// The shard
    #[arg(value_name = "SHARD", value_parser = system::shard)]
    pub shard: ShardId,

    /// Do it
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,

    /// Only look whether it can be done, and show what would be
    #[arg(long)]
    pub dry_run: bool,

    /// Print the plan as JSON
    #[arg(long)]
    pub json: bool,
}

/// Shows the plan, and carries it out where that is asked for. The exit code is 1 where something stops it, or is left to do.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let Args { system, shard, yes, dry_run, json } = args;
    let system = system.find().await?;
    let mut plan = members::plan_removal(&system, shard).await?;
    let is_fit = plan.obstacles.is_empty();
    if yes && is_fit && !plan.is_done() {
        if !json {
            note!("{}", text(&plan));
        }
        plan = members::remove(&system, shard, &|event| note!("{}", said(&event))).await?;
    }
    out!("{}", if json { serde_json::to_string_pretty(&plan)? } else { text(&plan) })?;
    for obstacle in &plan.obstacles {
        note!("forebay: {obstacle}");
    }
    if is_fit && (plan.is_done() || dry_run) {
        return Ok(ExitCode::SUCCESS);
    }
    note!("{}", if is_fit { "nothing was changed; --yes does it" } else { "nothing was changed" });
    Ok(ExitCode::FAILURE)
}

fn text(plan: &Removal) -> String {
    let Removal { shard, addresses, epoch, left, .. } = plan;
    if left.is_empty() {
        return format!("Shard {shard} is not in the map of epoch {epoch} any more, and its database is nobody's.");
    }
    let mut lines = vec![format!("Shard {shard}: {}", addresses.join(" | "))];
    lines.push(format!("To be done, by the map of epoch {epoch}:"));
    lines.extend(left.iter().map(|&step| format!("  {}", will(step))));
    lines.join("\n")
}

fn will(step: RemovalStep) -> &'static str {
    match step {
        RemovalStep::Leave => "say in the map that it leaves: nothing moves there any more",
        RemovalStep::LetGo => "wait until no writer derives anything for it",
        RemovalStep::Seal => "seal its streams: whatever comes late is refused, and sent again elsewhere",
        RemovalStep::Settle => "wait until all that they have is where it belongs",
        RemovalStep::Map => "take it out of the map",
        RemovalStep::Streams => "delete its streams",
    }
}

fn said(event: &RemovalEvent) -> String {
    let step = match event {
        RemovalEvent::Waits(what) => return format!("waiting: {what}"),
        RemovalEvent::Done(step) => step,
    };
    let said = match step {
        RemovalStep::Leave => "nothing moves there any more",
        RemovalStep::LetGo => "nothing is derived for it any more",
        RemovalStep::Seal => "its streams are sealed",
        RemovalStep::Settle => "all that they had is where it belongs",
        RemovalStep::Map => "it is not in the map any more",
        RemovalStep::Streams => "its streams are deleted",
    };
    said.to_owned()
}
