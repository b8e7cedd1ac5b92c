//! The stages of stopping, as tokens that tasks watch.

use tokio_util::sync::CancellationToken;

/// The stages of stopping. Cloning it is cheap; all clones tell the same.
///
/// 1. *soft*: nothing new is admitted, what was begun goes on, `/readyz` says 503.
/// 2. *answered*: every request has its answer; what worked for requests behind the scenes may finish now.
/// 3. *hard*: the grace is over; whatever still runs is cut off.
///
/// A later stage always includes the earlier ones.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    soft: CancellationToken,
    answered: CancellationToken,
    hard: CancellationToken,
}

impl Shutdown {
    /// Nothing is stopping yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins to stop: cancels *soft*. Calling it again changes nothing.
    pub fn start(&self) {
        self.soft.cancel();
    }

    /// Ends everything at once: cancels all stages.
    pub fn force(&self) {
        self.soft.cancel();
        self.answered.cancel();
        self.hard.cancel();
    }

    /// Cancelled as soon as nothing new is to be admitted.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Cancelled when every request has its answer: the signal for tasks that requests wait for.
    pub fn answered(&self) -> &CancellationToken {
        &self.answered
    }

    /// Cancelled when there is no more time.
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Whether stopping has begun.
    pub fn is_started(&self) -> bool {
        self.soft.is_cancelled()
    }

    pub(crate) fn all_answered(&self) {
        self.answered.cancel();
    }
}
