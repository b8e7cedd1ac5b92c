//! Files of orders, sent to ingest.
//!
//! One thread reads the files and cuts them into chunks of whole records; several connections send these, each chunk as
//! one request, and send it again until every record of it is accepted or rejected; one ledger books the outcome in the
//! order of the files. Lines of NDJSON are passed on without being looked into, because the sender shares the machine with
//! whoever receives.
//!
//! It talks to ingest as any client does, over HTTP. It must never know the log, the shards or how a service works inside.
//!
//! | module | concept |
//! |---|---|
//! | [`settings`] | what it can be told |
//! | [`source`] | files as sequences of records |
//! | `chunk` | some records, as one request sends them |
//! | `worker`, `delivery` | bring chunks to ingest |
//! | `ledger` | what is acknowledged, rejected, done |
//! | `run` | a run from its beginning to its end |
//! | `screen` | what a person sees |
//! | [`generate`] | plausible orders, where there is no file |
//! | `fingerprint` | short names for long things |

mod chunk;
mod delivery;
mod fingerprint;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod generate;
mod grouped;
mod ledger;
mod run;
mod screen;
pub mod settings;
pub mod source;
mod worker;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

pub use settings::Settings;

use ledger::summary::{Ending, Summary};
use run::Outcome;
use source::plan::Plan;

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
pub async fn deliver(settings: Settings) -> Result<u64> {
    let plan = Plan::new(&settings)?;
    let Outcome { ledger, ending, .. } = run::run(settings, plan).await?;
    ensure!(matches!(ending, Ending::Accepted | Ending::SomeRejected), "not every order was delivered");
    Ok(ledger.total.accepted)
}
