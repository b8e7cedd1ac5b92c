//! `forebay shards`: the shards of the system, shown and changed.
//!
//! | module | command |
//! |---|---|
//! | [`list`] | `forebay shards` |
//! | [`add`] | `forebay shards add` |
//! | [`set`] | `forebay shards set` |

pub mod add;
pub mod list;
pub mod set;

use std::process::ExitCode;

use anyhow::Result;
use forebay_model::Labels;

/// What `forebay shards` can be told.
#[derive(Debug, Clone, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[group(skip)]
pub struct Args {
    /// What is to be done. Nothing: the figures are shown.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// What is shown.
    #[command(flatten)]
    pub list: list::Args,
}

/// What is to be done to the shards.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum Command {
    Add(Box<add::Args>),
    Set(Box<set::Args>),
}

/// Does it.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        None => list::run(args.list).await,
        Some(Command::Add(args)) => add::run(*args).await,
        Some(Command::Set(args)) => set::run(*args).await,
    }
}

/// Labels as they stand behind an address.
fn labels_text(labels: &Labels) -> String {
    labels.iter().map(|(name, value)| format!(" {name}={value}")).collect::<Vec<_>>().concat()
}
