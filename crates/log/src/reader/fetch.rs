//! The task that reads ahead: one session after the other, for as long as the reader lives.

use std::sync::Arc;
use std::time::Duration;

use forebay_model::StreamId;
use forebay_task::Backoff;
use tokio::time::Instant;
use tracing::instrument;

use crate::error::LogError;
use crate::log::Log;
use crate::reader::buffer::Buffer;
use crate::reader::session::{Ended, Session};
use crate::reader::{ReadError, ReadFrom};

/// How a session is opened again.
const RETRY: Backoff = Backoff::new(Duration::from_millis(50), CONNECTED_MAX);
/// How long to wait for the connection before a session is tried all the same.
const CONNECTED_MAX: Duration = Duration::from_secs(1);
/// A restarted server may take a while to find its streams again. A stream that is missing for longer is missing.
const REFUSED_MAX: Duration = Duration::from_secs(10);
/// After this number of sessions that ended at the same place, the next frame is asked for by its place: it may be one whose
/// headers the client cannot read, which ends the connection each time it is delivered.
const SESSIONS_WITHOUT_PROGRESS_MAX: u32 = 2;

#[instrument(name = "read", skip_all, fields(stream = %session.stream()))]
pub(crate) async fn run(log: Log, mut session: Session, buffer: Arc<Buffer>) {
    let stream = session.stream();
    let _end = EndsBuffer { buffer: &buffer, stream };
    let mut without_progress = 0;
    loop {
        let began_at = session.cursor().position.seq;
        let reason = match session.run(&buffer).await {
            Ended::Refused(error) => return buffer.end(error),
            Ended::Interrupted(reason) => reason,
        };
        tracing::warn!(reason, position = %session.cursor().position, "reading the log was interrupted");
        without_progress = if session.cursor().position.seq == began_at { without_progress + 1 } else { 0 };
        if without_progress > SESSIONS_WITHOUT_PROGRESS_MAX {
            without_progress = 0;
            session = match step(&log, session, &buffer).await {
                Ok(session) => session,
                Err(error) => return buffer.end(error),
            };
        }
        session = match reopen(&log, stream, session.cursor()).await {
            Ok(next) => next,
            Err(error) => return buffer.end(error),
        };
        tracing::info!(position = %session.cursor().position, "reading the log goes on");
    }
}

/// Gets the next frame past a consumer that cannot deliver it.
async fn step(log: &Log, session: Session, buffer: &Buffer) -> Result<Session, ReadError> {
    // A new session checks that the stream is still the one to step in.
    let mut session = reopen(log, session.stream(), session.cursor()).await?;
    let stepped = log.while_connected(session.step(buffer)).await;
    tracing::warn!(?stepped, position = %session.cursor().position, "asked for the next frame by its place");
    match stepped {
        Err(error) if error.is_loss() => Err(error),
        // Whatever else it was, the next session meets it as well.
        Ok(_) | Err(_) => Ok(session),
    }
}

/// Opens the next session, trying for as long as the log cannot be reached.
async fn reopen(log: &Log, stream: StreamId, cursor: &ReadFrom) -> Result<Session, ReadError> {
    let mut backoff = RETRY;
    let mut refused_since = None;
    loop {
        log.link().wait_connected(CONNECTED_MAX).await;
        match log.while_connected(Session::open(log, stream, Some(cursor.clone()))).await {
            Ok(session) => return Ok(session),
            Err(ReadError::Log(LogError::Unreachable { .. })) => refused_since = None,
            Err(error) if error.is_loss() => return Err(error),
            Err(error) => {
                if refused_since.get_or_insert_with(Instant::now).elapsed() > REFUSED_MAX {
                    return Err(error);
                }
            }
        }
        backoff.wait().await;
    }
}

/// Whatever ends the task, the reader must not wait for it for ever.
struct EndsBuffer<'a> {
    buffer: &'a Buffer,
    stream: StreamId,
}

impl Drop for EndsBuffer<'_> {
    fn drop(&mut self) {
        self.buffer.end(ReadError::Stopped { stream: self.stream });
    }
}
