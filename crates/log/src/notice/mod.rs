//! Commit notices: told after a commit, to everybody who listens. A notice wakes readers who wait for a position and
//! tells caches what became stale.
//!
//! Notices are chained: each says from which position to which its commit went, so a reader that misses one sees that from
//! the next. A lost notice is therefore harmless, and they need no stream.

mod codec;

use std::time::Duration;

use async_nats::Subscriber;
use forebay_model::{DerivedThrough, Position, StreamId, Timestamp, Touched};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};

use crate::error::LogError;
use crate::log::Log;

pub use codec::{NoticeFault, VERSION as NOTICE_VERSION};

/// Sending a notice must not hold up the next commit.
const SEND_MAX: Duration = Duration::from_secs(1);

/// What one commit has done, or, where `before` equals `after`, a sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The stream whose frames were committed.
    pub stream: StreamId,
    /// The position before the commit. Sequence 0 before the first.
    pub before: Position,
    /// The position after it.
    pub after: Position,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// What it changed.
    pub touched: Touched,
    /// Of a logged stream, how far its facts are derived for each shard, as it is noted in its own shard. Those that are not
    /// named have not come further since the last notice.
    pub derived: Vec<DerivedThrough>,
}

impl Notice {
    /// A sign of life: nothing was committed since that position.
    pub fn heartbeat(stream: StreamId, at: Position, now: Timestamp) -> Self {
        Self { stream, before: at, after: at, committed_at: now, touched: Touched::nothing(), derived: Vec::new() }
    }

    /// Whether it only says that the writer lives.
    pub fn is_heartbeat(&self) -> bool {
        self.before == self.after
    }
}

impl Log {
    /// Tells a commit to everybody who listens now. Not stored, and not sent later when there is no connection.
    ///
    /// # Errors
    /// [`LogError::Unreachable`] where it could not be sent.
    pub async fn publish_notice(&self, notice: &Notice) -> Result<(), LogError> {
        if !self.is_connected() {
            return Err(self.unreachable("not connected"));
        }
        let subject = self.name().notice_subject(notice.stream);
        let sent = self.client().publish(subject, notice.encode().into());
        match tokio::time::timeout(SEND_MAX, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.refused("tell a notice".to_owned(), &error)),
            Err(_) => Err(self.unreachable("it does not take what is sent")),
        }
    }

    /// Listens to the notices of all streams. What is told after this has returned is heard, unless the
    /// connection is lost meanwhile or they come faster than they are taken: the chain of positions shows it.
    ///
    /// # Errors
    /// [`LogError::Unreachable`] where the server does not confirm.
    pub fn notices(&self) -> BoxFuture<'_, Result<NoticeStream, LogError>> {
        self.while_connected(self.listen()).boxed()
    }

    async fn listen(&self) -> Result<NoticeStream, LogError> {
        let subscriber = self.client().subscribe(self.name().notice_subjects()).await;
        let subscriber = subscriber.map_err(|error| self.refused("tell notices".to_owned(), &error))?;
        // The answer to a question asked behind the subscription proves that the server has both.
        let confirmed = self.jetstream().query_account().await;
        confirmed.map_err(|error| self.refused("tell notices".to_owned(), &error))?;
        Ok(NoticeStream { subscriber })
    }
}

/// The notices of all streams, as they come. It goes on by itself after a lost connection.
#[derive(Debug)]
pub struct NoticeStream {
    subscriber: Subscriber,
}

impl NoticeStream {
    /// Waits for the next notice. `None` once the log's connection is closed for good. What is no notice is left out.
    /// Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<Notice> {
        loop {
            let message = self.subscriber.next().await?;
            match Notice::decode(&message.payload) {
                Ok(notice) => return Some(notice),
                Err(fault) => tracing::warn!(subject = %message.subject, %fault, "not a notice"),
            }
        }
    }
}
