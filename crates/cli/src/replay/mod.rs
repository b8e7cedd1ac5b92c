//! `forebay replay`: files of orders, sent to ingest.
//!
//! One thread reads the files and cuts them into chunks of whole records; several connections send these, each chunk as
//! one request, and send it again until every record of it is accepted or rejected; one ledger books the outcome in the
//! order of the files. Lines of NDJSON are passed on without being looked into, because the sender shares the machine with
//! whoever receives.
//!
//! | module | concept |
//! |---|---|
//! | [`settings`] | what it can be told |
//! | [`format`] | the formats of files |
//! | `plan`, `input` | the files, checked and opened |
//! | `source` | a file as a sequence of records: `ndjson`, `json`, `csv`, `parquet` |
//! | `chunk` | some records, as one request sends them |
//! | `feeder` | reads the files |
//! | `crew`, `delivery` | bring chunks to ingest |
//! | `client`, `answer` | one request, and what its answer means |
//! | `pace`, `trouble` | the rate; what holds up sending |
//! | `books`, `ledger`, `tally` | what is acknowledged, rejected, done |
//! | `state`, `rejects` | the files in which that is kept |
//! | `screen`, `summary` | what a person sees |

mod answer;
mod books;
mod chunk;
mod client;
mod crew;
mod csv;
mod delivery;
mod feeder;
pub mod format;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod input;
mod json;
mod ledger;
mod ndjson;
mod pace;
mod parquet;
mod plan;
mod rejects;
mod run;
mod screen;
pub mod settings;
mod source;
mod state;
mod summary;
mod tally;
mod trouble;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

pub use settings::Settings;

use plan::Plan;
use run::Outcome;
use summary::{Ending, Summary};

/// Sends the files, and tells what has become of them.
///
/// # Errors
/// One sentence about what is wrong before anything is sent; what happens later is told in the summary.
pub fn run(settings: Settings) -> Result<ExitCode> {
    let plan = Plan::new(&settings)?;
    let (dry_run, json) = (settings.dry_run, settings.json);
    // Sending large buffers is little work, and the machine's cores are wanted elsewhere.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let Outcome { ledger, ending, resumed } = runtime.context("cannot start")?.block_on(run::run(settings, plan))?;
    let summary = Summary::new(&ledger, ending, dry_run, &resumed);
    eprintln!("{}", summary.to_text());
    if json {
        println!("{}", serde_json::to_string(&summary)?);
    }
    Ok(ExitCode::from(ending.code()))
}

/// Sends the files within a program that does more, and tells only what goes wrong. Gives the number of orders that were
/// accepted.
///
/// # Errors
/// When something was not delivered.
pub(crate) async fn deliver(settings: Settings) -> Result<u64> {
    let plan = Plan::new(&settings)?;
    let Outcome { ledger, ending, .. } = run::run(settings, plan).await?;
    ensure!(matches!(ending, Ending::Accepted | Ending::SomeRejected), "not every order was delivered");
    Ok(ledger.total.accepted)
}
