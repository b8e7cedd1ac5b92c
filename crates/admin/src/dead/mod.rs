//! `forebay dead`: what could not be stored. A letter is known by its address, `SHARD/ID`.
//!
//! | module | concept |
//! |---|---|
//! | `address` | which letter |
//! | `which` | which letters |
//! | `letter` | a letter as it is shown |
//! | `list`, `show` | looking at letters |
//! | `rebuild` | the orders that a letter was made of |
//! | `requeue` | putting letters into the log again |
//! | `purge` | deleting letters |

mod address;
mod letter;
mod list;
mod purge;
mod rebuild;
mod requeue;
mod show;
mod which;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use forebay_shard::PoolSettings;

/// What `forebay dead` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// List dead letters, newest first, and count them by lane and reason
    List(list::Settings),
    /// Show a dead letter; a conflict with both contents side by side
    Show(show::Settings),
    /// Put the orders of dead letters into the log again
    Requeue(requeue::Settings),
    /// Delete dead letters that were requeued
    Purge(purge::Settings),
}

/// Does it.
///
/// # Errors
/// One sentence about what cannot be reached.
pub async fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::List(settings) => list::run(settings).await,
        Command::Show(settings) => show::run(settings).await,
        Command::Requeue(settings) => requeue::run(settings).await,
        Command::Purge(settings) => purge::run(settings).await,
    }
}

fn pool_settings() -> PoolSettings {
    PoolSettings {
        application_name: "forebay-dead".to_owned(),
        connections_max: 2,
        acquire_timeout: std::time::Duration::from_secs(3),
        ..PoolSettings::default()
    }
}
