//! `forebay shards`: the shards of the system, shown and changed.
//!
//! | module | command |
//! |---|---|
//! | [`list`] | `forebay shards`: the map and each shard's figures |
//! | [`add`] | `forebay shards add` |
//! | [`remove`] | `forebay shards remove` |
//! | [`set`] | `forebay shards set` |
//! | [`moving`] | `forebay shards move`, `rebalance` and `drain` |
//! | [`pace`] | `forebay shards pause`, `resume` and `abort` |
//! | [`status`] | `forebay shards status` |
//! | `buckets` | buckets and weights, as they are written |

pub mod add;
pub(super) mod buckets;
pub mod list;
pub mod moving;
pub mod pace;
pub mod remove;
pub mod set;
pub mod status;

use std::process::ExitCode;

use anyhow::Result;

/// What `forebay shards` can be told.
#[derive(Debug, Clone, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[group(skip)]
pub struct Args {
    /// Without a command: the figures.
    #[command(flatten)]
    pub list: list::Args,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What can be done with shards.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum Command {
    Add(Box<add::Args>),
    Set(Box<set::Args>),
    Remove(remove::Args),
    /// Move buckets from one shard to another while orders flow
    Move(moving::Move),
    /// Move buckets so that each shard has its share, while orders flow
    Rebalance(moving::Rebalance),
    /// Move everything away from a shard while orders flow
    Drain(moving::Drain),
    /// Show what moves, and how far it has come
    Status(status::Args),
    /// Hold whatever moves and can be held
    Pause(pace::Pause),
    /// Go on with what was held, or change how fast it goes
    Resume(pace::Resume),
    /// Leave what has not moved yet where it was
    Abort(pace::Abort),
}

/// Does it.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        None => list::run(args.list).await,
        Some(Command::Add(args)) => add::run(*args).await,
        Some(Command::Set(args)) => set::run(*args).await,
        Some(Command::Remove(args)) => remove::run(args).await,
        Some(Command::Move(args)) => args.run().await,
        Some(Command::Rebalance(args)) => args.run().await,
        Some(Command::Drain(args)) => args.run().await,
        Some(Command::Status(args)) => status::run(args).await,
        Some(Command::Pause(args)) => args.run().await,
        Some(Command::Resume(args)) => args.run().await,
        Some(Command::Abort(args)) => args.run().await,
    }
}
