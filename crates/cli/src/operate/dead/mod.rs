//! `forebay dead`.
//!
//! | module | concept |
//! |---|---|
//! | [`args`] | which letters, as flags |
//! | `list`, `show` | tables of letters, and a letter by itself |

pub mod args;
mod list;
mod show;

use std::process::ExitCode;

use anyhow::Result;
use forebay_admin::dead::{self, LetterAddress, Selection};
use forebay_terminal::{grouped, note, out};

use self::args::Command;

/// Does it. The exit code is 1 where a letter stays as it is, or is not there.
pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::List(args) => list::run(args).await,
        Command::Show(args) => show::run(args).await,
        Command::Requeue(args) => requeue(args).await,
        Command::Purge(args) => purge(args).await,
    }
}

async fn requeue(args: args::Requeue) -> Result<ExitCode> {
    let (system, selection) = (args.system.find().await?, Selection::from(args.selection));
    let outcome = dead::requeue(&system, &selection).await?;
    tell_missing(&outcome.missing);
    for letter in &outcome.stay {
        note!("letter {} stays: {}", letter.address, letter.reason);
    }
    if args.json {
        out!("{}", serde_json::to_string(&outcome)?)?;
    } else {
        let (requeued, stay) = (outcome.requeued.len() as u64, outcome.stay.len() as u64);
        out!("{} letters requeued, {} stay", grouped(requeued), grouped(stay))?;
    }
    Ok(if outcome.stay.is_empty() && outcome.missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn purge(args: args::Purge) -> Result<ExitCode> {
    let (system, selection) = (args.system.find().await?, Selection::from(args.selection));
    let outcome = dead::purge(&system, &selection, args.unrequeued).await?;
    tell_missing(&outcome.missing);
    if args.json {
        out!("{}", serde_json::to_string(&outcome)?)?;
    } else {
        out!("{} dead letters deleted", grouped(outcome.purged))?;
    }
    if outcome.kept > 0 {
        note!("{} letters were not requeued and stay; --unrequeued deletes them too", grouped(outcome.kept));
    }
    Ok(if outcome.missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell_missing(missing: &[LetterAddress]) {
    for address in missing {
        note!("there is no dead letter {address}");
    }
}
