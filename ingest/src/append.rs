//! A request's facts, logged. Index and views frames are acknowledged before the orders frame is published: an index
//! entry without an order is harmless, an order without its index entry cannot exist.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use forebay_log::{Log, PublishError};
use forebay_model::fact::FramePart;
use forebay_model::{Epoch, Receipt, StreamId};
use forebay_service::Problem;
use forebay_service::lifecycle::Lifecycle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::group::{Group, Origin, Pending};
use crate::memory::Held;

/// Parts that wait for one group's attention. Their bytes are bounded elsewhere.
const GROUP_QUEUE: usize = 1024;

/// Logs facts. Cloning it is cheap.
#[derive(Clone)]
pub(crate) struct Appender(Arc<Inner>);

struct Inner {
    log: Log,
    ack_timeout: Duration,
    lifecycle: Lifecycle,
    groups: RwLock<HashMap<StreamId, mpsc::Sender<Pending>>>,
}

/// Why facts could not be logged.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the log of shard {} did not take the {} facts: {cause}", stream.shard, stream.lane)]
pub(crate) struct AppendError {
    stream: StreamId,
    #[source]
    cause: Arc<PublishError>,
}

impl Appender {
    pub(crate) fn new(log: Log, ack_timeout: Duration, lifecycle: Lifecycle) -> Self {
        Self(Arc::new(Inner { log, ack_timeout, lifecycle, groups: RwLock::default() }))
    }

    /// As [`Appender::append`], also where nobody waits for it any more.
    pub(crate) fn append_in_background(
        &self,
        parts: Vec<FramePart>,
        origin: Origin,
        epoch: Epoch,
        held: Held,
    ) -> JoinHandle<Result<Receipt, AppendError>> {
        let appender = self.clone();
        self.0.lifecycle.spawn_piece(async move { appender.append(parts, origin, epoch, held).await })
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
        let held = Arc::new(held);
        let (orders, aside): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| part.stream.lane.spec().derived_from.is_none());
        let mut receipt = Receipt::default();
        for parts in [aside, orders] {
            self.append_together(parts, origin, epoch, &held, &mut receipt).await?;
        }
        Ok(receipt)
    }

    async fn append_together(
        &self,
        parts: Vec<FramePart>,
        origin: Origin,
        epoch: Epoch,
        held: &Arc<Held>,
        receipt: &mut Receipt,
    ) -> Result<(), AppendError> {
        let mut waits = Vec::with_capacity(parts.len());
        for part in parts {
            let stream = part.stream;
            let (done, wait) = oneshot::channel();
            waits.push((stream, wait));
            // A group that takes nothing any more drops what waits for it.
            let _ = self.group(stream).send(Pending { part, origin, epoch, held: held.clone(), done }).await;
        }
        for (stream, wait) in waits {
            let outcome = wait.await.unwrap_or_else(|_| Err(Arc::new(PublishError::Unknown)));
            let position = outcome.map_err(|cause| AppendError { stream, cause })?;
            receipt.note(stream, position);
        }
        Ok(())
    }

    fn group(&self, stream: StreamId) -> mpsc::Sender<Pending> {
        let groups = self.0.groups.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = groups.get(&stream) {
            return group.clone();
        }
        drop(groups);
        let mut groups = self.0.groups.write().unwrap_or_else(PoisonError::into_inner);
        let start = || {
            let (sender, receiver) = mpsc::channel(GROUP_QUEUE);
            let group = Group::new(self.0.log.clone(), stream, self.0.ack_timeout);
            let answered = self.0.lifecycle.shutdown().answered().child_token();
            self.0.lifecycle.spawn(format!("group {stream}"), group.run(receiver, answered));
            sender
        };
        groups.entry(stream).or_insert_with(start).clone()
    }
}

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Self {
        let shard = error.stream.shard;
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
