//! What all exports together may hold of memory, and how long they wait.

use std::sync::Arc;
use std::time::Duration;

use forebay_service::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::format::Format;
use crate::Settings;

/// How much memory exports may hold together, in MiB.
const MEMORY_MIB: usize = 256;
/// How long a request waits for its part of it.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// How many of its time-outs a shard may be away: 30 seconds with the default, enough for a restart.
const TIMEOUTS: u32 = 15;

/// What exports share. Cloning it is cheap.
#[derive(Clone)]
pub(crate) struct Limits {
    memory: Arc<Semaphore>,
    give_up: Duration,
}

impl Limits {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { memory: Arc::new(Semaphore::new(MEMORY_MIB)), give_up: settings.options.shard_timeout * TIMEOUTS }
    }

    /// Waits for a place, which is kept until the export is over.
    ///
    /// # Errors
    /// The problem `overloaded` when there is none.
    pub(crate) async fn admit(&self, format: Format, sources: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let place = timeout(WAIT_MAX, Arc::clone(&self.memory).acquire_many_owned(mib(format, sources) as u32)).await;
        place.ok().and_then(Result::ok).ok_or_else(|| {
            Problem::overloaded(format!("the exports that are running take up their {MEMORY_MIB} MiB of memory"))
        })
    }

    /// How long a shard may be away on the way.
    pub(super) fn give_up(&self) -> Duration {
        self.give_up
    }
}

/// What an export may hold, in MiB: two pieces of each source, and some chunks; with Parquet also a group of rows, as it was
/// taken and as it is written. One that would hold more than all may have to be alone.
fn mib(format: Format, sources: usize) -> usize {
    let group = if format == Format::Parquet { 32 } else { 0 };
    (2 * sources + 4 + group).min(MEMORY_MIB)
}
