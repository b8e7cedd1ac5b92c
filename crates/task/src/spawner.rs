//! Starting a task without knowing who watches it.
//!
//! A service hands in a [`Spawner`] of its lifecycle, so that a task of the log that panics ends
//! the service like any other, rather than leave it half alive. A command that runs for a moment uses the default.

use std::fmt;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::task::AbortHandle;

/// Starts tasks. Cloning it is cheap.
#[derive(Clone)]
pub struct Spawner(Arc<dyn Fn(String, BoxFuture<'static, ()>) -> AbortHandle + Send + Sync>);

impl Spawner {
    /// Starts tasks by calling this function with the name of each.
    pub fn new(spawn: impl Fn(String, BoxFuture<'static, ()>) -> AbortHandle + Send + Sync + 'static) -> Self {
        Self(Arc::new(spawn))
    }

    /// Starts a task. It ends by itself or when it is aborted. Must be called within a tokio runtime.
    pub fn spawn(&self, name: impl Into<String>, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        (self.0)(name.into(), task.boxed())
    }
}

/// Tasks that nobody watches.
impl Default for Spawner {
    #[expect(clippy::disallowed_methods, reason = "services hand in another one")]
    fn default() -> Self {
        Self::new(|_name, task| tokio::spawn(task).abort_handle())
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spawner")
    }
}
