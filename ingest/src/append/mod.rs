//! A request's orders, logged: **one order is one log entry**, and is accepted once that is acknowledged. What follows from it is
//! derived by the writer of its shard, of what is stored.

mod door;
pub(crate) mod group;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use forebay_log::{Log, PublishError};
use forebay_model::fact::FramePart;
use forebay_model::{Epoch, Lane, Position, Receipt, ShardId};
use forebay_service::Problem;
use forebay_service::health::{Health, Need};
use forebay_service::lifecycle::Lifecycle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::append::door::{Door, Leave};
use crate::append::group::{Group, Origin, Pending};
use crate::memory::Held;

/// Parts that wait for one group's attention. Their bytes are bounded elsewhere.
const GROUP_QUEUE: usize = 1024;

/// Logs orders. Cloning it is cheap.
#[derive(Clone)]
pub(crate) struct Appender(Arc<Inner>);

struct Inner {
    log: Log,
    ack_timeout: Duration,
    lifecycle: Lifecycle,
    health: Health,
    groups: RwLock<HashMap<(Lane, ShardId), Way>>,
}

/// The way to a group.
#[derive(Clone)]
struct Way {
    door: Arc<Door>,
    parts: mpsc::Sender<Pending>,
}

/// What says that a part is settled.
type Wait = (Lane, ShardId, oneshot::Receiver<Result<Position, Arc<PublishError>>>);

/// The order of a request's pieces: of two orders with one id the first stays, and that is the one on the earlier line.
#[derive(Default)]
pub(crate) struct Turns(Option<oneshot::Receiver<()>>);

/// Why orders could not be logged.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the log of shard {shard} did not take the {lane}: {cause}")]
pub(crate) struct AppendError {
    lane: Lane,
    shard: ShardId,
    #[source]
    cause: Arc<PublishError>,
}

impl Appender {
    pub(crate) fn new(log: Log, ack_timeout: Duration, lifecycle: Lifecycle, health: Health) -> Self {
        Self(Arc::new(Inner { log, ack_timeout, lifecycle, health, groups: RwLock::default() }))
    }

    /// As [`Appender::append`], also where nobody waits for it any more; behind the pieces of the request that had their turn before.
    pub(crate) fn append_in_background(
        &self,
        parts: Vec<FramePart>,
        origin: Origin,
        epoch: Epoch,
        held: Held,
        turns: &mut Turns,
    ) -> JoinHandle<Result<Receipt, AppendError>> {
        let (appender, turn) = (self.clone(), turns.next());
        self.0.lifecycle.spawn_piece(async move {
            let turn = turn.await;
            let waits = appender.enqueue(parts, origin, epoch, held).await;
            drop(turn);
            settle(waits?).await
        })
    }

    /// Logs every part. The receipt says where they lie; `held` is the room that they take meanwhile.
    ///
    /// # Errors
    /// [`AppendError`] for one of the parts that were not acknowledged; others may have been.
    pub(crate) async fn append(
        &self,
        parts: Vec<FramePart>,
        origin: Origin,
        epoch: Epoch,
        held: Held,
    ) -> Result<Receipt, AppendError> {
        settle(self.enqueue(parts, origin, epoch, held).await?).await
    }

    /// Gives each part to its group, where it has its place from then on.
    async fn enqueue(
        &self,
        parts: Vec<FramePart>,
        origin: Origin,
        epoch: Epoch,
        held: Held,
    ) -> Result<Vec<Wait>, AppendError> {
        let held = Arc::new(held);
        let ways: Vec<Way> = parts.iter().map(|part| self.way(part.lane, part.shard)).collect();
        let leaves = enter(&parts, &ways)?;
        let mut waits = Vec::with_capacity(parts.len());
        for (part, way) in parts.into_iter().zip(ways) {
            let (lane, shard) = (part.lane, part.shard);
            let (done, wait) = oneshot::channel();
            waits.push((lane, shard, wait));
            // A group that takes nothing any more drops what waits for it.
            let _ = way.parts.send(Pending { part, origin, epoch, held: held.clone(), done }).await;
        }
        for leave in leaves {
            leave.used();
        }
        Ok(waits)
    }

    fn way(&self, lane: Lane, shard: ShardId) -> Way {
        let groups = self.0.groups.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = groups.get(&(lane, shard)) {
            return group.clone();
        }
        drop(groups);
        let mut groups = self.0.groups.write().unwrap_or_else(PoisonError::into_inner);
        let start = || {
            let (sender, receiver) = mpsc::channel(GROUP_QUEUE);
            let dependency = self.0.health.dependency(format!("log {}", lane.on(shard)), Need::Optional);
            let door = Arc::new(Door::new(dependency));
            let group = Group::new(self.0.log.clone(), lane, shard, Arc::clone(&door), self.0.ack_timeout);
            let answered = self.0.lifecycle.shutdown().answered().child_token();
            self.0.lifecycle.spawn(format!("group {lane}-{shard}"), group.run(receiver, answered));
            Way { door, parts: sender }
        };
        groups.entry((lane, shard)).or_insert_with(start).clone()
    }
}

/// Waits until every part is acknowledged.
async fn settle(waits: Vec<Wait>) -> Result<Receipt, AppendError> {
    let mut receipt = Receipt::default();
    for (lane, shard, wait) in waits {
        let outcome = wait.await.unwrap_or_else(|_| Err(Arc::new(PublishError::Unknown)));
        let position = outcome.map_err(|cause| AppendError { lane, shard, cause })?;
        receipt.note(lane.on(shard), position);
    }
    Ok(receipt)
}

impl Turns {
    /// The turn of the next piece: it comes when that of the piece before is dropped, and lasts until it is.
    fn next(&mut self) -> impl Future<Output = oneshot::Sender<()>> + Send + use<> {
        let (turn, given_up) = oneshot::channel();
        let before = self.0.replace(given_up);
        async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            turn
        }
    }
}

/// Leave of each shut log that these parts are for; several parts of one log need one.
fn enter(parts: &[FramePart], ways: &[Way]) -> Result<Vec<Leave>, AppendError> {
    let now = Instant::now();
    let mut leaves: Vec<Leave> = Vec::new();
    for (part, way) in parts.iter().zip(ways) {
        if leaves.iter().all(|leave| !leave.is_of(&way.door)) {
            let (lane, shard) = (part.lane, part.shard);
            leaves.extend(way.door.enter(now).map_err(|cause| AppendError { lane, shard, cause: Arc::new(cause) })?);
        }
    }
    Ok(leaves)
}

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Self {
        let shard = error.shard;
        match &*error.cause {
            PublishError::Full(_) => {
                Self::log_full(format!("the log of shard {shard} is full")).retry_after(FULL_RETRY)
            }
            PublishError::Unknown => Self::log_unreachable(format!(
                "the log of shard {shard} did not acknowledge in time; the orders may be in it or not"
            )),
            _ => Self::log_unreachable(error.to_string()),
        }
    }
}

/// A full log empties when its shard is back, which takes longer than a hiccup.
const FULL_RETRY: Duration = Duration::from_secs(5);
