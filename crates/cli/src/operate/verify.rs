//! `forebay verify`.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use forebay_admin::moves::buckets::compare_buckets;
use forebay_admin::verify::{self, CheckStage, Depth, Settings, Unfinished};
use forebay_model::{Bucket, ShardId};
use forebay_service::BadSetting;
use forebay_terminal::{buckets_text, grouped, note, out, verify_text};

use super::shards::buckets::{These, these};
use super::system::{self, SystemArgs};

/// How many orders of each shard are checked where nothing else is said.
const SAMPLE: u32 = 1000;
/// The exit code where something could not be looked at, or is pending.
const UNDECIDED: u8 = 2;

/// Check that log, shards, index and views agree; exit code 1 where they do not, 2 where that cannot be told
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// Check every frame that is kept, every order, every view and every index entry
    #[arg(long, conflicts_with = "sample")]
    pub full: bool,

    /// Check about N orders, views and index entries of each shard, at random, and a tenth as many frames of each stream
    #[arg(long, value_name = "N", default_value_t = SAMPLE, value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: u32,

    /// Check only this shard
    #[arg(long, value_name = "SHARD", value_parser = system::shard)]
    pub shard: Option<ShardId>,

    /// Compare all rows of these buckets on all shards instead, as a move does before a bucket changes hands: `17`, `0-99`, `1,5,9-12`
    #[arg(long, value_name = "LIST|RANGE", value_parser = these, conflicts_with_all = ["full", "sample", "shard"])]
    buckets: Option<These>,

    /// The longest to wait for what is on its way, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub wait: u64,

    /// Print what was found as JSON
    #[arg(long)]
    pub json: bool,
}

/// Checks, and prints what differs. What cannot be reached is told, and has an exit code of its own.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    if let Some(These(these)) = &args.buckets {
        return Ok(match run_on_buckets(args.system, these, args.json).await {
            Ok(code) => code,
            Err(error) => {
                cannot(format_args!("{error:#}"));
                ExitCode::from(UNDECIDED)
            }
        });
    }
    let depth = if args.full { Depth::Full } else { Depth::Sample(args.sample) };
    let wait = Duration::from_secs(args.wait);
    let settings = Settings { depth, shard: args.shard, wait };
    let verified = async { verify::run(&args.system.find().await?, &settings, &tell).await };
    let report = match verified.await {
        Ok(report) => report,
        Err(error) if error.is::<BadSetting>() => return Err(error),
        Err(error) => {
            cannot(format_args!("{error:#}"));
            return Ok(ExitCode::from(UNDECIDED));
        }
    };
    out!("{}", if args.json { serde_json::to_string_pretty(&report)? } else { verify_text(&report, args.shard) })?;
    for Unfinished { shard, why } in &report.unfinished {
        cannot(format_args!("shard {shard}: {why}"));
    }
    Ok(match report.differences {
        0 if report.unfinished.is_empty() && report.pending == 0 => ExitCode::SUCCESS,
        0 => ExitCode::from(UNDECIDED),
        _ => ExitCode::FAILURE,
    })
}

async fn run_on_buckets(system: SystemArgs, these: &BTreeSet<Bucket>, json: bool) -> Result<ExitCode> {
    let system = system.find().await?;
    let log = system.connect_log().await?;
    let reports = compare_buckets(&system, &log, these).await?;
    out!("{}", if json { serde_json::to_string_pretty(&reports)? } else { buckets_text(&reports) })?;
    let is_equal = reports.iter().all(|report| report.differences.is_empty());
    Ok(if is_equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell((shard, stage): (ShardId, CheckStage)) {
    match stage {
        CheckStage::Stream(stream) => note!("shard {shard}: stream {stream}"),
        CheckStage::Orders => note!("shard {shard}: orders, and what follows from them"),
        CheckStage::OrdersChecked { checked, of } => {
            note!("shard {shard}: {} of {} orders", grouped(checked), grouped(of));
        }
        CheckStage::Times => note!("shard {shard}: the times that are noted of orders"),
        CheckStage::Origins => note!("shard {shard}: views and index entries, and what they follow from"),
    }
}

fn cannot(why: impl Display) {
    note!("forebay: this cannot be verified to its end: {why}");
}
