//! `forebay replay`: files of orders or events, sent to ingest, and what became of them.
//!
//! | module | concept |
//! |---|---|
//! | [`args`] | what it can be told |

pub mod args;

use std::convert::Infallible;
use std::process::ExitCode;

use anyhow::Result;
use forebay_replay::{Ending, Settings};
use forebay_service::Shutdown;
use forebay_terminal::{Screen, note, out, summary_text};
use tokio::signal::unix::{SignalKind, signal};

pub use args::Args;

/// Sends the files, and tells what has become of them.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let json = args.json;
    let (follows, settings) = (args.follow, Settings::from(args));
    let (screen, interrupt) = (Screen::new(settings.kind), Shutdown::new());
    let work = async {
        if follows {
            forebay_replay::follow(settings, screen.tell(), interrupt.clone()).await
        } else {
            forebay_replay::run(settings, screen.tell(), interrupt.clone()).await
        }
    };
    let outcome = tokio::select! {
        outcome = work => outcome,
        failed = obey_signals(&interrupt) => match failed? {},
    };
    screen.close();
    let summary = outcome?;
    note!("{}", summary_text(&summary, follows));
    if json {
        out!("{}", serde_json::to_string(&summary)?)?;
    }
    Ok(ExitCode::from(code(summary.ending)))
}

fn code(ending: Ending) -> u8 {
    match ending {
        Ending::Accepted | Ending::Stored => 0,
        Ending::Undelivered | Ending::Undecided => 1,
        Ending::RejectedOrDead => 2,
        Ending::Interrupted => 130,
    }
}

/// The first signal interrupts, the second one stops at once.
async fn obey_signals(interrupt: &Shutdown) -> Result<Infallible> {
    let mut int = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    for stage in [Shutdown::start, Shutdown::force] {
        tokio::select! { _ = int.recv() => {} _ = terminate.recv() => {} _ = hangup.recv() => {} }
        stage(interrupt);
    }
    std::future::pending().await
}
