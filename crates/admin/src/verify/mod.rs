//! `forebay verify`: whether log, shards, index and views agree.
//!
//! Orders may flow meanwhile. Each shard is looked at in one snapshot, with the positions of that snapshot; what belongs to
//! its orders on other shards is looked up as it is now, and looked up again once those lanes have come past what their logs
//! held: a fact is logged before its order, so it is there by then, or it is missing.
//!
//! What should be there is made by the code that made it in the first place (the order's parser and [`forebay_model::Facts`])
//! and compared by Postgres: there is no second copy of the rules.
//!
//! | module | concept |
//! |---|---|
//! | `report` | what was found |
//! | `check` | what every check needs |
//! | `snapshot` | one moment of a shard |
//! | `counters` | rows that were counted against rows that are there |
//! | `frames` | the log against the counters and the rows |
//! | `facts` | index entries and views of stored orders |
//! | `gaps` | frames that a log should have and has not |
//! | `letters` | what dead letters account for |
//! | `times` | the times that are noted of orders |
//! | `origins` | orders of stored views and index entries |

mod check;
mod counters;
mod facts;
mod frames;
mod gaps;
mod letters;
mod origins;
mod report;
mod snapshot;
mod times;

use std::process::ExitCode;

use anyhow::Result;
use forebay_model::{ShardId, ViewSet};
use forebay_service::BadSetting;

use self::check::Check;
use crate::system::{self, SystemSettings};

/// How many orders of each shard are checked where nothing else is said.
const SAMPLE: u32 = 1000;
/// The exit code where something could not be looked at.
const UNDECIDED: u8 = 2;

/// Check that log, shards, index and views agree; exit code 1 where they do not, 2 where that cannot be told
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemSettings,

    /// Check every frame that is kept, every order, every view and every index entry
    #[arg(long, conflicts_with = "sample")]
    pub full: bool,

    /// Check about so many orders, views and index entries of each shard, at random, and a tenth as many frames of each lane
    #[arg(long, value_name = "N", default_value_t = SAMPLE, value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: u32,

    /// Check only this shard
    #[arg(long, value_name = "SHARD", value_parser = system::shard)]
    pub shard: Option<ShardId>,

    /// Fields that make views, as ingest has them
    #[arg(long, env = "FOREBAY_VIEWS", value_name = "VIEWS", default_value = "seller=items[].seller_id")]
    pub views: ViewSet,

    /// Print what was found as JSON
    #[arg(long)]
    pub json: bool,
}

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    Full,
    /// About so many rows of a table.
    Sample(u32),
}

/// Checks, and prints what differs.
///
/// # Errors
/// Only [`BadSetting`]: what cannot be reached is told, and has an exit code of its own.
pub async fn run(settings: &Settings) -> Result<ExitCode> {
    let depth = if settings.full { Depth::Full } else { Depth::Sample(settings.sample) };
    let mut check = match Check::new(settings, depth).await {
        Ok(check) => check,
        Err(error) if error.is::<BadSetting>() => return Err(error),
        Err(error) => return Ok(undecided(&error)),
    };
    let outcome = check.run(settings.shard).await;
    let report = check.into_report();
    println!("{}", if settings.json { serde_json::to_string_pretty(&report)? } else { report.text() });
    match outcome {
        Err(error) => Ok(undecided(&error)),
        Ok(()) if report.differences > 0 => Ok(ExitCode::FAILURE),
        Ok(()) if report.undecided > 0 => Ok(ExitCode::from(UNDECIDED)),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

fn undecided(error: &anyhow::Error) -> ExitCode {
    eprintln!("forebay: this cannot be verified to its end: {error:#}");
    ExitCode::from(UNDECIDED)
}
