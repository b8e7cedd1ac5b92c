//! One stream's loop: a session for as long as it goes well; after a failure wait, and start over from the stored position.

pub(crate) mod batch;
pub(crate) mod batch_size;
mod commit_interval;
pub(crate) mod context;
pub(crate) mod opening;
pub(crate) mod send_on;
pub(crate) mod session;

use std::time::Duration;

use forebay_api::streams::HaltCause;
use forebay_model::StreamKind;
use forebay_service::health::Dependency;
use forebay_shard::ErrorClass;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, instrument, warn};

use crate::drain::context::{Retries, StreamContext};
use crate::drain::session::Session;
use crate::failure::Failure;
use crate::status::State;

/// How often it is looked whether a halted stream can go on: somebody may have decided.
const HALTED_POLL: Duration = Duration::from_secs(5);

/// One stream of one shard.
#[derive(Debug)]
pub(crate) struct Drain {
    pub(crate) context: StreamContext,
    /// Whether the shard has its tables.
    pub(crate) migrated: watch::Receiver<bool>,
    /// The shard, for `/readyz`.
    pub(crate) health: Dependency,
    /// That this stream is whole, for `/readyz`.
    pub(crate) continuity: Dependency,
}

impl Drain {
    /// Drains until stopping begins.
    #[instrument(name = "drain", skip_all, fields(stream = %self.context.of))]
    pub(crate) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let migrated = stop.run_until_cancelled(self.migrated.wait_for(|migrated| *migrated)).await;
        if !matches!(migrated, Some(Ok(_))) {
            return Ok(());
        }
        drop(migrated);
        let mut retries = Retries::default();
        let mut addresses = self.context.addresses.clone();
        while !stop.is_cancelled() {
            addresses.mark_unchanged();
            // A session is over where the service stops, or the shard is elsewhere.
            let over = stop.child_token();
            let moved = async {
                if addresses.changed().await.is_ok() {
                    over.cancel();
                }
                std::future::pending().await
            };
            let ended = tokio::select! {
                ended = self.session(&over, &mut retries) => ended,
                never = moved => never,
            };
            let Err(failure) = ended else { continue };
            let wait = self.report(&failure, &mut retries);
            let over = async {
                tokio::select! {
                    () = sleep(wait) => {}
                    Ok(()) = addresses.changed() => {}
                }
            };
            stop.run_until_cancelled(over).await;
        }
        Ok(())
    }

    async fn session(&self, stop: &CancellationToken, retries: &mut Retries) -> Result<(), Failure> {
        // Whatever opening does may be given up at any moment; a commit may not.
        let Some(session) = stop.run_until_cancelled(Session::open(&self.context)).await else { return Ok(()) };
        let mut session = session?;
        self.health.up();
        self.continuity.up();
        let upkeep = session.upkeep();
        // Whatever it is doing when the session ends is given up; what it leaves behind is dropped by the next attempt.
        tokio::select! {
            drained = session.drain(stop, retries) => drained,
            () = upkeep => Ok(()),
        }
    }

    /// Says once what is wrong, and how long to wait.
    fn report(&self, failure: &Failure, retries: &mut Retries) -> Duration {
        let status = &self.context.status;
        status.failed(failure);
        let reason = failure.to_string();
        let wait = retries.backoff.after_failure();
        if matches!(failure, Failure::Shard(store) if store.class() == ErrorClass::Timeout) {
            retries.batch_size.late();
        }
        match failure {
            // What it had is derived again: the next session goes on from there.
            Failure::Loss(loss) if self.context.of.kind == StreamKind::Derived && !loss.is_unreadable() => {
                self.retry(&reason);
            }
            Failure::Loss(_) | Failure::Violated { .. } => {
                if let Some(cause) = failure.halts()
                    && status.halt(cause, reason.clone())
                {
                    error!(reason, "{}", halted(cause));
                }
                self.continuity.halted(reason);
                return HALTED_POLL;
            }
            Failure::Fenced => {
                status.set(State::Retrying, Some(reason));
                info!("another writer has moved the position, starting over from there");
            }
            Failure::Shard(store) if store.class().is_outage() => {
                self.retry(&reason);
                self.health.down(reason);
            }
            Failure::Shard(store) => {
                if status.set(State::Retrying, Some(reason.clone())) {
                    error!(class = %store.class(), reason, "the shard cannot be used as it is");
                }
                self.health.down(reason);
            }
            Failure::Log(_) => self.retry(&reason),
        }
        wait
    }

    fn retry(&self, reason: &str) {
        if self.context.status.set(State::Retrying, Some(reason.to_owned())) {
            warn!(reason, "interrupted, trying again");
        }
    }
}

/// Why a stream stands still.
fn halted(cause: HaltCause) -> &'static str {
    match cause {
        HaltCause::UnknownFormat => {
            "a frame of the log is of a format that this version does not know; this stream stands still until a writer that knows it takes over"
        }
        HaltCause::Damage => {
            "a frame of the log is damaged; this stream stands still until somebody decides: see `forebay log accept-loss`"
        }
        HaltCause::Loss => {
            "the log is not the one that was read so far; this stream stands still until somebody decides: see `forebay log accept-loss`"
        }
        HaltCause::Violation => "what must always hold does not; this stream stands still, and nothing is committed",
    }
}
