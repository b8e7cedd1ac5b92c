//! The task that reads ahead: one session after the other, for as long as the reader lives.

use std::sync::Arc;
use std::time::Duration;

use forebay_model::{Lane, ShardId};
use tokio::time::Instant;

use crate::log::{Log, LogError};
use crate::reader::buffer::Buffer;
use crate::reader::session::{Ended, Session};
use crate::reader::{ReadError, ReadFrom};

const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// A restarted server may take a while to find its streams again. A stream that is missing for longer is missing.
const REFUSED_MAX: Duration = Duration::from_secs(10);

pub(crate) async fn run(log: Log, mut session: Session, buffer: Arc<Buffer>) {
    let (lane, shard) = (session.lane(), session.shard());
    let _end = EndsBuffer { buffer: &buffer, lane, shard };
    loop {
        let reason = match session.run(&buffer).await {
            Ended::Refused(error) => return buffer.end(error),
            Ended::Interrupted(reason) => reason,
        };
        tracing::warn!(%lane, %shard, reason, "reading the log was interrupted");
        match reopen(&log, lane, shard, session.into_cursor()).await {
            Ok(next) => session = next,
            Err(error) => return buffer.end(error),
        }
        tracing::info!(%lane, %shard, "reading the log goes on");
    }
}

/// Opens the next session, trying for as long as the log cannot be reached.
async fn reopen(log: &Log, lane: Lane, shard: ShardId, cursor: ReadFrom) -> Result<Session, ReadError> {
    let mut pause = PAUSE_MIN;
    let mut refused_since = None;
    loop {
        log.link().wait_connected(PAUSE_MAX).await;
        match log.while_connected(Session::open(log, lane, shard, Some(cursor.clone()))).await {
            Ok(session) => return Ok(session),
            Err(ReadError::Log(LogError::Unreachable { .. })) => refused_since = None,
            Err(error) if error.is_loss() => return Err(error),
            Err(error) => {
                if refused_since.get_or_insert_with(Instant::now).elapsed() > REFUSED_MAX {
                    return Err(error);
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Whatever ends the task, the reader must not wait for it for ever.
struct EndsBuffer<'a> {
    buffer: &'a Buffer,
    lane: Lane,
    shard: ShardId,
}

impl Drop for EndsBuffer<'_> {
    fn drop(&mut self) {
        self.buffer.end(ReadError::Stopped { lane: self.lane, shard: self.shard });
    }
}
