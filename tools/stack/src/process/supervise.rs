//! Whatever dies is started again, and that is said.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use forebay_task::Backoff;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Process;

/// How long to wait before a process is started again.
const RETRY: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
/// A process that has lived this long did not die of its start: the next wait is the shortest again.
const SETTLED_AFTER: Duration = Duration::from_secs(30);

/// What supervision has seen or done.
#[derive(Debug)]
pub enum Change {
    /// The process ended without having been asked to.
    Died {
        /// What people call it.
        name: String,
        /// How it ended, where the kernel said so.
        status: Option<ExitStatus>,
    },
    /// It was started again, and answers.
    Restarted {
        /// What people call it.
        name: String,
    },
    /// It could not be started; another attempt follows.
    Failed {
        /// What people call it.
        name: String,
        /// Why.
        error: anyhow::Error,
    },
}

/// Watches over the processes until the future is dropped: starts again what dies, with a growing pause between
/// attempts, and reports every change. A process that was stopped in order is left alone from then on.
pub async fn supervise(processes: Vec<Process>, report: impl Fn(Change) + Send + Sync + 'static) {
    let report = Arc::new(report);
    let mut watchers = JoinSet::new();
    for process in processes {
        let report = Arc::clone(&report);
        watchers.spawn(async move { watch(&process, &*report).await });
    }
    while watchers.join_next().await.is_some() {}
}

async fn watch(process: &Process, report: &(impl Fn(Change) + Send + Sync)) {
    let name = || process.name().to_owned();
    let mut backoff = RETRY;
    loop {
        let watched_since = Instant::now();
        let status = process.exited().await;
        if !process.is_wanted() {
            return;
        }
        report(Change::Died { name: name(), status });
        if watched_since.elapsed() > SETTLED_AFTER {
            backoff.reset();
        }
        loop {
            backoff.wait().await;
            match process.revive().await {
                Ok(true) => break report(Change::Restarted { name: name() }),
                Err(error) if process.is_wanted() => report(Change::Failed { name: name(), error }),
                Ok(false) | Err(_) => return,
            }
        }
    }
}
