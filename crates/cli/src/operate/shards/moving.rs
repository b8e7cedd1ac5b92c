//! `forebay shards move`, `rebalance` and `drain`: they show what would be done, put it into the map, and watch writers do it.

use std::io::{IsTerminal, stdin};
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use forebay_admin::moves::command::{self, PaceChange};
use forebay_admin::moves::plan::{Ask, Buckets, Measure, Plan};
use forebay_admin::moves::progress::{Watch, Watched};
use forebay_admin::system::System;
use forebay_log::Log;
use forebay_model::{ShardId, StreamKind};
use forebay_terminal::{grouped, note, out};
use serde_json::json;

use super::buckets::{Weights, buckets, weights};
use crate::operate::system::{SystemArgs, shard};

/// How often it is looked how far it has come, and how often that is said.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const SAY_EVERY: Duration = Duration::from_secs(5);

/// What `shards move` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Move {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// How many, as `100`, or which: `17-17`, `0-99`, `1,5,9-12`
    #[arg(long, value_name = "N|LIST|RANGE", value_parser = buckets)]
    pub buckets: Buckets,

    /// The shard that has them
    #[arg(long, value_name = "SHARD", value_parser = shard)]
    pub from: ShardId,

    /// The shard that is to have them
    #[arg(long, value_name = "SHARD", value_parser = shard)]
    pub to: ShardId,

    /// How it is done.
    #[command(flatten)]
    pub how: How,
}

/// What `shards rebalance` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Rebalance {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// What is shared out: `rows`, `bytes`, or `rate`, the rows among the newest
    #[arg(long, value_name = "MEASURE", default_value = "rows", value_parser = measure)]
    pub by: Measure,

    /// What each shard is to have in proportion, such as `0=1,1=1,2=2`; all the same where this is left out
    #[arg(long, value_name = "SHARD=WEIGHT,…", value_parser = weights)]
    weights: Option<Weights>,

    /// How it is done.
    #[command(flatten)]
    pub how: How,
}

/// What `shards drain` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Drain {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// The shard that is to have nothing any more
    #[arg(value_name = "SHARD", value_parser = shard)]
    pub shard: ShardId,

    /// How it is done.
    #[command(flatten)]
    pub how: How,
}

/// How something is moved.
#[derive(Debug, Clone, clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct How {
    /// Do it without asking
    #[arg(long)]
    pub yes: bool,

    /// Show what would be done, and change nothing
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,

    /// End when it is in the queue, and do not wait until it is done
    #[arg(long)]
    pub no_wait: bool,

    /// Rows that are copied from each shard in a second at most, until something else is said; as fast as the shards take them where it never was
    #[arg(long, value_name = "N")]
    pub rows_per_s: Option<NonZeroU32>,

    /// How long a shard keeps the rows of what another one owns, in seconds, until something else is said; as long as its log keeps what is
    /// committed where it never was
    #[arg(long, value_name = "SECONDS")]
    pub keep_s: Option<u32>,

    /// Print what is planned, or with --yes what was done, as JSON
    #[arg(long)]
    pub json: bool,
}

fn measure(text: &str) -> Result<Measure, String> {
    match text {
        "rows" => Ok(Measure::Rows),
        "bytes" => Ok(Measure::Bytes),
        "rate" => Ok(Measure::Rate),
        _ => Err("there are rows, bytes and rate".to_owned()),
    }
}

impl Move {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let ask = Ask::Move { buckets: self.buckets, from: self.from, to: self.to };
        run(&self.system.find().await?, &ask, &self.how).await
    }
}

impl Rebalance {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let ask = Ask::Rebalance { by: self.by, shares: self.weights.map(|Weights(shares)| shares) };
        run(&self.system.find().await?, &ask, &self.how).await
    }
}

impl Drain {
    pub(super) async fn run(self) -> Result<ExitCode> {
        run(&self.system.find().await?, &Ask::Drain(self.shard), &self.how).await
    }
}

/// Plans, shows it, asks, begins and watches.
async fn run(system: &System, ask: &Ask, how: &How) -> Result<ExitCode> {
    let log = system.connect_log().await?;
    let plan = command::plan(system, &log, ask).await?;
    let is_over = plan.moves.is_empty() && plan.going.is_empty();
    if !how.json || !how.yes || is_over {
        out!("{}", if how.json { serde_json::to_string_pretty(&plan)? } else { text(&plan) })?;
    }
    for obstacle in &plan.obstacles {
        note!("forebay: {obstacle}");
    }
    if !plan.obstacles.is_empty() {
        note!("nothing was changed");
        return Ok(ExitCode::FAILURE);
    }
    if how.dry_run || is_over {
        return Ok(ExitCode::SUCCESS);
    }
    if !plan.moves.is_empty() {
        if !how.yes && !is_wanted(how) {
            note!("nothing was changed; --yes does it");
            return Ok(ExitCode::SUCCESS);
        }
        let change = PaceChange { paused: None, rows_per_s: how.rows_per_s.map(NonZeroU32::get), keep_s: how.keep_s };
        command::begin(system, &log, ask, &plan, change).await?;
    }
    if how.no_wait {
        note!("it is in the queue, and writers go on with it: see `forebay shards status`");
        return Ok(ExitCode::SUCCESS);
    }
    let watched = watch(&Watch::of(system, &plan)?, &log).await?;
    if how.json && how.yes {
        out!("{}", serde_json::to_string_pretty(&json!({"planned": plan, "became": watched}))?)?;
    }
    for reason in &watched.reasons {
        note!("forebay: {reason}");
    }
    Ok(if watched.stopped == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks, where somebody is there.
fn is_wanted(how: &How) -> bool {
    if how.json || !stdin().is_terminal() {
        return false;
    }
    note!("Do it? [y/N]");
    let mut answer = String::new();
    stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// Waits until nothing more comes of it, and says how far it has come.
async fn watch(watch: &Watch, log: &Log) -> Result<Watched> {
    let begun = Instant::now();
    let mut said: Option<Instant> = None;
    let mut first: Option<(Instant, u64)> = None;
    loop {
        let watched = match watch.look(log).await {
            Ok(watched) => watched,
            Err(error) => {
                note!("waiting: {error:#}");
                tokio::time::sleep(SAY_EVERY).await;
                continue;
            }
        };
        let (since, before) = *first.get_or_insert((Instant::now(), watched.rows_copied.unwrap_or_default()));
        let is_over = watched.is_over();
        if is_over || said.is_none_or(|said| said.elapsed() >= SAY_EVERY) {
            let rows = watched.rows_copied.unwrap_or(before).saturating_sub(before);
            note!("{}", progress(&watched, rows, since.elapsed()));
            said = Some(Instant::now());
        }
        if is_over {
            note!("it took {:.0} s", begun.elapsed().as_secs_f64());
            return Ok(watched);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How far it has come, how fast it is, and how long it still takes at that.
pub(super) fn progress(watched: &Watched, rows: u64, since: Duration) -> String {
    let Watched { units, there, stopped, waiting, rows_left, .. } = *watched;
    let under_way = units - there - stopped - waiting;
    let count = |units: usize| grouped(units as u64);
    let (there, under_way, waiting) = (count(there), count(under_way), count(waiting));
    let mut told = vec![format!("{there} of {} parts are there, {under_way} under way, {waiting} wait", count(units))];
    if stopped > 0 {
        told.push(format!(", {} stay where they were", count(stopped)));
    }
    let rate = rows as f64 / since.as_secs_f64().max(0.001);
    if rows > 0 && !watched.is_over() {
        told.push(format!("; {} rows/s, about {:.0} s left", grouped(rate as u64), rows_left as f64 / rate));
    }
    if watched.paused && !watched.is_over() {
        told.push("; it is held: `forebay shards resume` goes on".to_owned());
    }
    told.concat()
}

/// What is planned, as people read it.
fn text(plan: &Plan) -> String {
    if plan.moves.is_empty() {
        return match plan.under_way {
            0 => "Nothing has to move.".to_owned(),
            units => format!("Nothing more has to move; {} parts are under way.", grouped(units as u64)),
        };
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["shard", "buckets", "then", "rows", "then", "MiB come"]);
    for column in 1..6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for shard in &plan.shards {
        table.add_row([
            shard.shard.to_string(),
            grouped(shard.buckets as u64),
            grouped(shard.buckets_after as u64),
            grouped(shard.rows),
            grouped(shard.rows_after),
            grouped(shard.bytes_come >> 20),
        ]);
    }
    let of = |stream| plan.moves.iter().filter(|of| of.stream == stream).count() as u64;
    let (logged, derived) = (of(StreamKind::Logged), of(StreamKind::Derived));
    let what = format!(
        "{} buckets of what was logged move, and {} of what follows from it: {} rows, about {} MiB.",
        grouped(logged),
        grouped(derived),
        grouped(plan.rows),
        grouped(plan.bytes >> 20)
    );
    format!("{what}\n{}", table.trim_fmt())
}

#[cfg(test)]
mod tests {
    use forebay_admin::moves::plan::{PlannedMove, PlannedShard};
    use forebay_model::Bucket;

    use super::*;

    #[test]
    fn snapshot_of_a_plan() {
        let shard = |shard, buckets, buckets_after, rows, rows_after, bytes_come| PlannedShard {
            shard: ShardId(shard),
            buckets,
            buckets_after,
            rows,
            rows_after,
            bytes_come,
        };
        let moves = [(StreamKind::Logged, 0), (StreamKind::Logged, 2), (StreamKind::Derived, 4)];
        let moves = moves.map(|(stream, bucket)| PlannedMove {
            stream,
            bucket: Bucket::new(bucket).unwrap(),
            from: ShardId(0),
            to: ShardId(1),
            rows: 2000,
            bytes: 1 << 20,
        });
        let shards = vec![shard(0, 2048, 2046, 1_000_000, 994_000, 0), shard(1, 2048, 2050, 900_000, 906_000, 3 << 20)];
        let plan = Plan { moves: moves.into(), shards, rows: 6000, bytes: 3 << 20, ..Plan::default() };
        insta::assert_snapshot!(text(&plan));
        assert_eq!(text(&Plan::default()), "Nothing has to move.");
    }

    #[test]
    fn progress_is_told_with_rate_and_time_left() {
        let watched =
            Watched { units: 100, there: 40, stopped: 1, waiting: 50, rows_left: 60_000, ..Watched::default() };
        let told = progress(&watched, 40_000, Duration::from_secs(20));
        assert_eq!(
            told,
            "40 of 100 parts are there, 9 under way, 50 wait, 1 stay where they were; 2,000 rows/s, about 30 s left"
        );
        let over = Watched { there: 99, waiting: 0, ..watched };
        assert_eq!(
            progress(&over, 40_000, Duration::from_secs(20)),
            "99 of 100 parts are there, 0 under way, 0 wait, 1 stay where they were"
        );
    }
}
