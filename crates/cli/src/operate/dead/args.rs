//! What `forebay dead` can be told.

use clap::{Args, Subcommand};
use forebay_admin::dead::{Filters, LetterAddress, Selection};
use forebay_model::{Lane, ShardId, Tenant, Timestamp};
use forebay_shard::Reason;

use crate::operate::system::{self, SystemArgs};

/// What `forebay dead` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// List dead letters, newest first, and count them by lane and reason
    List(List),
    /// Show a dead letter; a conflict with both contents side by side
    Show(Show),
    /// Put the orders of dead letters into the log again
    Requeue(Requeue),
    /// Delete dead letters that were requeued
    Purge(Purge),
}

/// What `dead list` can be told.
#[derive(Debug, Clone, Args)]
pub struct List {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// Which letters.
    #[command(flatten)]
    pub filters: FilterArgs,

    /// The most letters to list; all are counted
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,

    /// Print letters and counts as JSON
    #[arg(long)]
    pub json: bool,
}

/// What `dead show` can be told.
#[derive(Debug, Clone, Args)]
pub struct Show {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// The letter
    #[arg(value_name = "SHARD/ID")]
    pub letter: LetterAddress,

    /// Print it as JSON, with all of its bytes in hexadecimal
    #[arg(long)]
    pub json: bool,
}

/// What `dead requeue` can be told.
#[derive(Debug, Clone, Args)]
pub struct Requeue {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// Which letters: those that were requeued before only where they are named by address
    #[command(flatten)]
    pub selection: SelectionArgs,

    /// Print what was done as JSON
    #[arg(long)]
    pub json: bool,
}

/// What `dead purge` can be told.
#[derive(Debug, Clone, Args)]
pub struct Purge {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// Which letters.
    #[command(flatten)]
    pub selection: SelectionArgs,

    /// Delete letters that were not requeued too: what is in them is gone then
    #[arg(long)]
    pub unrequeued: bool,

    /// Print how many were deleted as JSON
    #[arg(long)]
    pub json: bool,
}

/// What letters can be told apart by.
#[derive(Debug, Clone, Args)]
pub struct FilterArgs {
    /// Only letters of this shard
    #[arg(long, value_name = "SHARD", value_parser = system::shard)]
    pub shard: Option<ShardId>,

    /// Only letters of this lane: orders, index or views
    #[arg(long, value_name = "LANE")]
    pub lane: Option<Lane>,

    /// Only letters that died of this, such as conflict or refused
    #[arg(long, value_name = "REASON")]
    pub reason: Option<Reason>,

    /// Only letters of this tenant's facts, where several share the system
    #[arg(long, value_name = "TENANT", value_parser = system::tenant)]
    pub tenant: Option<Tenant>,

    /// Only letters that died at this time or later
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub from: Option<Timestamp>,

    /// Only letters that died before this time
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub to: Option<Timestamp>,
}

/// The letters that something is done to.
#[derive(Debug, Clone, Args)]
pub struct SelectionArgs {
    /// Letters by address
    #[arg(value_name = "SHARD/ID")]
    pub letters: Vec<LetterAddress>,

    /// What the letters have in common.
    #[command(flatten)]
    pub filters: FilterArgs,

    /// Every letter
    #[arg(long)]
    pub all: bool,
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_bound(text).map_err(|error| format!("a time {error}"))
}

impl From<FilterArgs> for Filters {
    fn from(FilterArgs { shard, lane, reason, tenant, from, to }: FilterArgs) -> Self {
        Self { shard, lane, reason, tenant, from, to }
    }
}

impl From<SelectionArgs> for Selection {
    fn from(SelectionArgs { letters, filters, all }: SelectionArgs) -> Self {
        Self { letters, filters: filters.into(), all }
    }
}
