//! `forebay shards move`, `rebalance` and `drain`: they show what would be done, put it into the map, and watch writers do it.

use std::io::{IsTerminal, stdin};
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use forebay_admin::moves::command::{self, PaceChange};
use forebay_admin::moves::plan::{Ask, Buckets, Measure};
use forebay_admin::moves::progress::{Watch, Watched};
use forebay_admin::system::System;
use forebay_log::Log;
use forebay_model::ShardId;
use forebay_terminal::{note, out, plan_text, progress_text};
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
        out!("{}", if how.json { serde_json::to_string_pretty(&plan)? } else { plan_text(&plan) })?;
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
            note!("{}", progress_text(&watched, rows, since.elapsed()));
            said = Some(Instant::now());
        }
        if is_over {
            note!("it took {:.0} s", begun.elapsed().as_secs_f64());
            return Ok(watched);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
