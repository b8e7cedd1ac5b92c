//! Tasks that must not die, signals, drain, the exit code.
//!
//! Every task of a service is spawned here, those of the libraries that it uses too ([`Lifecycle::spawner`]). One that panics,
//! fails, or ends although nobody asked it to, takes the whole process down with a failing exit code: a service is never half
//! alive. Each passes a failpoint of its own as it begins, so a test can make any of them panic
//! ([`failpoint`](crate::failpoint)).

mod running;
pub(crate) mod signals;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use forebay_task::Spawner;
use futures::FutureExt;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{error, info};

use crate::failpoint::Failpoints;
use crate::settings::command_line::BadSetting;
use crate::shutdown::Shutdown;
use running::RunningTasks;

/// How long tasks that were cut off may take to notice.
const HARD_STOP: Duration = Duration::from_secs(2);

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
    failpoints: Failpoints,
    serving: TaskTracker,
    background: TaskTracker,
    tasks: RunningTasks,
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
        Self::with_failpoints(grace, Failpoints::default())
    }

    /// A lifecycle whose tasks may be made to fail.
    pub(crate) fn with_failpoints(grace: Duration, failpoints: Failpoints) -> Self {
        Self {
            inner: Arc::new(Inner {
                shutdown: Shutdown::new(),
                grace,
                failpoints,
                serving: TaskTracker::new(),
                background: TaskTracker::new(),
                tasks: RunningTasks::default(),
            }),
        }
    }

    /// One beside it, which is stopped on its own, and as patiently.
    pub(crate) fn another(&self) -> Self {
        Self::with_failpoints(self.inner.grace, self.inner.failpoints.clone())
    }

    /// How long stopping may take.
    pub fn grace(&self) -> Duration {
        self.inner.grace
    }

    /// For a request that this lifecycle waits for, and not only its connection: to be held until it is answered.
    pub(crate) fn request(&self) -> TaskTrackerToken {
        self.inner.serving.token()
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
        self.inner.background.spawn(self.clone().watch(name.into(), self.lasting(task)));
    }

    /// Spawns a task that takes requests. It ends by itself after [`Shutdown::soft`], once all its requests are answered;
    /// when all such tasks have ended, [`Shutdown::answered`] is cancelled.
    pub fn spawn_serving<F>(&self, name: impl Into<String>, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.inner.serving.spawn(self.clone().watch(name.into(), self.lasting(task)));
    }

    /// Spawns a piece of work that somebody waits for: its panic is theirs to handle. Stopping waits for it too.
    pub fn spawn_piece<F>(&self, piece: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.inner.background.spawn(piece)
    }

    /// How the libraries of a service start tasks. These may end whenever they like, but not by a panic, and are no longer
    /// needed when every request is answered.
    pub fn spawner(&self) -> Spawner {
        let lifecycle = self.clone();
        Spawner::new(move |name, task| {
            let answered = lifecycle.shutdown().answered().clone();
            let watched = lifecycle.clone().watch(name, async move {
                answered.run_until_cancelled(task).await;
                Ok(())
            });
            lifecycle.inner.background.spawn(watched).abort_handle()
        })
    }

    /// The names of the tasks that run.
    pub fn running(&self) -> Vec<String> {
        self.inner.tasks.names()
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
        let outcome = match (in_time, self.inner.tasks.has_failed()) {
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

    /// A task that must not end before stopping begins.
    fn lasting<F>(&self, task: F) -> impl Future<Output = anyhow::Result<()>> + use<F>
    where
        F: Future<Output = anyhow::Result<()>>,
    {
        let shutdown = self.shutdown().clone();
        async move {
            task.await?;
            anyhow::ensure!(shutdown.is_started(), "ended although nobody asked it to");
            Ok(())
        }
    }

    /// The setting for which a task has failed: what only shows itself once something was reached.
    pub fn bad_setting(&self) -> Option<BadSetting> {
        self.inner.tasks.bad_setting()
    }

    /// Runs a task. Where it fails or panics, the service stops, and the process ends with a failing exit code. A bad setting is
    /// told by what runs the service, as any other.
    async fn watch<F>(self, name: String, task: F)
    where
        F: Future<Output = anyhow::Result<()>>,
    {
        let Inner { shutdown, failpoints, tasks, .. } = &*self.inner;
        let _entry = tasks.enter(&name);
        let task = async {
            failpoints.pass_task(&name);
            task.await
        };
        let reason = match AssertUnwindSafe(task).catch_unwind().await {
            Ok(Ok(())) => return,
            Ok(Err(reason)) => match reason.downcast::<BadSetting>() {
                Ok(bad) => {
                    tasks.fail_for(bad);
                    shutdown.start();
                    return;
                }
                Err(reason) => format!("{reason:#}"),
            },
            // The panic hook has said where and why.
            Err(_) => "panicked".to_owned(),
        };
        error!(task = name, reason, "task failed, stopping the service");
        tasks.fail();
        shutdown.start();
    }
}
