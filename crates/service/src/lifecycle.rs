//! Tasks that must not die, signals, drain, the exit code.
//!
//! Every long-running task of a service is spawned here. A task that panics, fails, or ends although nobody asked it to,
//! takes the whole process down with a failing exit code: a service is never half alive.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::shutdown::Shutdown;

/// How long tasks that were cut off may take to notice.
const HARD_STOP: Duration = Duration::from_secs(2);

/// SIGINT that comes sooner than this after the first signal is an echo of it.
const ASKED_AGAIN: Duration = Duration::from_secs(1);

/// The tasks of a service and how they end. Cloning it is cheap; all clones are the same lifecycle.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    inner: Arc<Inner>,
}

/// How a service ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything that was begun was finished.
    Drained,
    /// A task failed; the rest was drained.
    Failed,
    /// The grace was over, or SIGINT came again, before everything was finished.
    Cut,
}

#[derive(Debug)]
struct Inner {
    shutdown: Shutdown,
    grace: Duration,
    serving: TaskTracker,
    background: TaskTracker,
    ledger: Mutex<Ledger>,
}

/// Which tasks run, by name, and whether one has failed.
#[derive(Debug, Default)]
struct Ledger {
    running: BTreeMap<String, usize>,
    failed: bool,
}

impl Outcome {
    /// 0 after a clean drain, 1 otherwise.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Drained => ExitCode::SUCCESS,
            Self::Failed | Self::Cut => ExitCode::FAILURE,
        }
    }
}

impl Lifecycle {
    /// A lifecycle in which stopping may take `grace`.
    pub fn new(grace: Duration) -> Self {
        Self {
            inner: Arc::new(Inner {
                shutdown: Shutdown::new(),
                grace,
                serving: TaskTracker::new(),
                background: TaskTracker::new(),
                ledger: Mutex::default(),
            }),
        }
    }

    /// The stages of stopping, for tasks to watch.
    pub fn shutdown(&self) -> &Shutdown {
        &self.inner.shutdown
    }

    /// Spawns a task that works behind the scenes. It ends by itself after [`Shutdown::soft`], or, when requests wait
    /// for its work, after [`Shutdown::answered`].
    pub fn spawn<F>(&self, name: impl Into<String>, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.inner.background.spawn(self.clone().watch(name.into(), task));
    }

    /// Spawns a task that takes requests. It ends by itself after [`Shutdown::soft`], once all its requests are answered;
    /// when all such tasks have ended, [`Shutdown::answered`] is cancelled.
    pub fn spawn_serving<F>(&self, name: impl Into<String>, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.inner.serving.spawn(self.clone().watch(name.into(), task));
    }

    /// From now on SIGTERM and SIGINT begin to stop the service, and a further SIGINT ends it at once.
    ///
    /// One stop often arrives as several signals: Ctrl-C goes to a whole process group and a supervisor adds its SIGTERM,
    /// `timeout` signals its child and then the group. So only somebody who asks again counts: SIGINT, after a moment.
    pub fn listen_for_signals(&self) -> io::Result<()> {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let shutdown = self.shutdown().clone();
        tokio::spawn(async move {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            info!(signal = name, "stopping");
            shutdown.start();
            let asked = Instant::now();
            while interrupt.recv().await.is_some() {
                if asked.elapsed() >= ASKED_AGAIN {
                    warn!("SIGINT again, ending at once");
                    shutdown.force();
                }
            }
        });
        Ok(())
    }

    /// Waits until stopping begins, drains, and says how it went. Nothing may be spawned from outside any more; tasks
    /// that run may spawn others.
    pub async fn run(self) -> Outcome {
        let Inner { shutdown, grace, .. } = &*self.inner;
        shutdown.soft().cancelled().await;
        let in_time = tokio::select! {
            // In this order: what ends because it is cut off has not been drained.
            biased;
            () = shutdown.hard().cancelled() => false,
            () = self.drain() => true,
            () = tokio::time::sleep(*grace) => false,
        };
        if !in_time {
            let unfinished = self.running().join(", ");
            error!(unfinished, grace_s = grace.as_secs_f64(), "cut off before everything was finished");
            shutdown.force();
            // Whatever still runs after this moment ends with the runtime.
            let _ = tokio::time::timeout(HARD_STOP, self.drain()).await;
        }
        let outcome = match (in_time, self.has_failed()) {
            (_, true) => Outcome::Failed,
            (true, false) => Outcome::Drained,
            (false, false) => Outcome::Cut,
        };
        info!(?outcome, "stopped");
        outcome
    }

    async fn drain(&self) {
        self.inner.serving.close();
        self.inner.serving.wait().await;
        self.shutdown().all_answered();
        self.inner.background.close();
        self.inner.background.wait().await;
    }

    async fn watch<F>(self, name: String, task: F)
    where
        F: Future<Output = anyhow::Result<()>>,
    {
        let _entry = Entry::new(&self, &name);
        let ended = AssertUnwindSafe(task).catch_unwind().await;
        let failure = match ended {
            Ok(Ok(())) if self.shutdown().is_started() => return,
            Ok(Ok(())) => "ended although nobody asked it to".to_owned(),
            Ok(Err(reason)) => format!("{reason:#}"),
            // The panic hook has said where and why.
            Err(_) => "panicked".to_owned(),
        };
        error!(task = name, reason = failure, "task failed, stopping the service");
        self.fail();
    }

    /// Lets the process end with a failing exit code.
    fn fail(&self) {
        self.ledger(|ledger| ledger.failed = true);
        self.shutdown().start();
    }

    fn has_failed(&self) -> bool {
        self.ledger(|ledger| ledger.failed)
    }

    fn running(&self) -> Vec<String> {
        self.ledger(|ledger| ledger.running.keys().cloned().collect())
    }

    fn ledger<T>(&self, work: impl FnOnce(&mut Ledger) -> T) -> T {
        work(&mut self.inner.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A running task's line in the ledger; dropping it removes the line, however the task ends.
struct Entry<'a> {
    lifecycle: &'a Lifecycle,
    name: &'a str,
}

impl<'a> Entry<'a> {
    fn new(lifecycle: &'a Lifecycle, name: &'a str) -> Self {
        lifecycle.ledger(|ledger| *ledger.running.entry(name.to_owned()).or_default() += 1);
        Self { lifecycle, name }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.lifecycle.ledger(|ledger| {
            if let Some(count) = ledger.running.get_mut(self.name) {
                *count -= 1;
                if *count == 0 {
                    ledger.running.remove(self.name);
                }
            }
        });
    }
}
