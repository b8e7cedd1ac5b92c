//! `forebay verify`.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use forebay_admin::moves::buckets::{BucketOnShard, BucketReport, compare_buckets};
use forebay_admin::verify::{self, Depth, Difference, LaneFigures, Report, Settings, Step, Unfinished};
use forebay_model::{Bucket, ShardId};
use forebay_service::BadSetting;
use forebay_terminal::{grouped, note, out};

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

    /// Check about so many orders, views and index entries of each shard, at random, and a tenth as many frames of each stream
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
    out!("{}", if args.json { serde_json::to_string_pretty(&report)? } else { text(&report) })?;
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

/// A line for each bucket that more than one shard has to do with, and one for each difference.
fn buckets_text(reports: &[BucketReport]) -> String {
    let mut lines = Vec::new();
    let (mut rows, mut differences) = (0, 0);
    for report in reports {
        let name = format!("bucket {} ({})", report.bucket, report.stream);
        rows += report.shards.iter().map(|side| side.rows).sum::<u64>();
        differences += report.differences.len();
        if report.shards.len() > 1 {
            let side = |side: &BucketOnShard| {
                let missing = if side.missing > 0 {
                    format!(", {} to come", grouped(side.missing as u64))
                } else {
                    String::new()
                };
                format!("shard {} {}, {} rows{missing}", side.shard, side.state, grouped(side.rows))
            };
            lines.push(format!("{name}: {}", report.shards.iter().map(side).collect::<Vec<_>>().join("; ")));
        }
        lines.extend(report.differences.iter().map(|difference| format!("! {name}: {difference}")));
    }
    lines.push(format!("{} buckets, {} rows compared", grouped(reports.len() as u64 / 2), grouped(rows)));
    lines.push(if differences == 0 { String::from("No differences.") } else { format!("{differences} differences.") });
    lines.join("\n")
}

fn tell((shard, step): (ShardId, Step)) {
    match step {
        Step::Stream(stream) => note!("shard {shard}: stream {stream}"),
        Step::Orders => note!("shard {shard}: orders, and what follows from them"),
        Step::OrdersChecked { checked, of } => {
            note!("shard {shard}: {} of {} orders", grouped(checked), grouped(of));
        }
        Step::Times => note!("shard {shard}: the times that are noted of orders"),
        Step::Origins => note!("shard {shard}: views and index entries, and what they follow from"),
    }
}

fn cannot(why: impl Display) {
    note!("forebay: this cannot be verified to its end: {why}");
}

/// As people read it.
fn text(report: &Report) -> String {
    let mut lines: Vec<String> = report.lanes.iter().map(lane_text).collect();
    lines.push(format!(
        "{} orders, {} facts of them, {} views, {} index entries and {} noted times checked",
        grouped(report.orders_checked),
        grouped(report.facts_checked),
        grouped(report.views_checked),
        grouped(report.index_entries_checked),
        grouped(report.order_times_checked)
    ));
    if report.explained > 0 {
        lines.push(format!(
            "{} differences are accounted for by dead letters or accepted losses",
            grouped(report.explained)
        ));
    }
    if report.order_times_without_order > 0 {
        let times = grouped(report.order_times_without_order);
        lines.push(format!("{times} noted times have no order: it is gone, and its id stays taken for other times"));
    }
    lines.extend(report.notes.iter().cloned());
    for difference in &report.named {
        let Difference { shard, of, detail, .. } = difference;
        lines.push(format!("! shard {shard}, {of}: {detail}"));
    }
    let unnamed = report.differences - report.named.len() as u64;
    if unnamed > 0 {
        lines.push(format!("! and {} more", grouped(unnamed)));
    }
    if report.pending > 0 {
        lines.push(format!("{} facts are pending: not there, and maybe on their way", grouped(report.pending)));
    }
    let unfinished: Vec<String> = report.unfinished.iter().map(|Unfinished { shard, .. }| shard.to_string()).collect();
    if !unfinished.is_empty() {
        lines.push(format!("Not looked at to its end: shard {}", unfinished.join(", ")));
    }
    lines.push(match report.differences {
        0 if !unfinished.is_empty() => String::from("No differences in what was looked at."),
        0 if report.pending == 0 => String::from("No differences."),
        differences => format!("{} differences.", grouped(differences)),
    });
    lines.join("\n")
}

fn lane_text(lane: &LaneFigures) -> String {
    let log = if lane.log_is_whole { "all of" } else { "a part of" };
    format!(
        "shard {}, lane {}: {} stored, {} duplicate, {} dead; {} rows in the table; the log has {log} it, {} rows, {} frames compared",
        lane.shard,
        lane.lane,
        grouped(lane.stored),
        grouped(lane.duplicate),
        grouped(lane.dead),
        grouped(lane.rows_in_table),
        grouped(lane.rows_in_log),
        grouped(lane.frames_compared)
    )
}

#[cfg(test)]
mod tests {
    use forebay_admin::verify::DifferenceKind;
    use forebay_model::Lane;

    use super::*;

    #[test]
    fn snapshot_of_differences() {
        let lane = LaneFigures {
            shard: ShardId(0),
            lane: Lane::Orders,
            position: None,
            stored: 12_000,
            duplicate: 3,
            dead: 1,
            rows_in_table: 11_999,
            rows_in_letters: 1,
            rows_in_log: 12_004,
            log_is_whole: true,
            frames_compared: 60,
        };
        let difference = |number| Difference {
            shard: ShardId(0),
            of: Lane::Orders.into(),
            kind: DifferenceKind::Order,
            detail: format!("difference {number}"),
        };
        let report = Report {
            differences: 101,
            named: vec![difference(0), difference(1)],
            lanes: vec![lane],
            orders_checked: 1000,
            facts_checked: 2000,
            views_checked: 500,
            index_entries_checked: 1000,
            order_times_checked: 1000,
            order_times_without_order: 1,
            explained: 4,
            pending: 7,
            notes: vec!["a note".to_owned()],
            unfinished: Vec::new(),
        };
        insta::assert_snapshot!(text(&report));
        insta::assert_snapshot!(text(&Report::default()), @"
        0 orders, 0 facts of them, 0 views, 0 index entries and 0 noted times checked
        No differences.
        ");
        let unfinished = [1, 2].map(|shard| Unfinished { shard: ShardId(shard), why: "it is away".to_owned() });
        insta::assert_snapshot!(text(&Report { unfinished: unfinished.into(), ..Report::default() }), @"
        0 orders, 0 facts of them, 0 views, 0 index entries and 0 noted times checked
        Not looked at to its end: shard 1, 2
        No differences in what was looked at.
        ");
    }
}
