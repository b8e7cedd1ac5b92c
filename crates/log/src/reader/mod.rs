//! Reading the frames of one stream on from a position.
//!
//! Nothing is skipped silently: see [`ReadError`]. The check runs when a reader starts and again whenever it has to
//! make its consumer anew, for a lost connection or a restarted server is just when a stream may have lost something.
//! Each frame is compared with its checksum: behind one that is damaged, nobody reads on; nor behind one of a format that is not known
//! here.

mod buffer;
mod check;
mod delivery;
mod fetch;
mod message;
mod session;

use std::sync::Arc;
use std::time::Duration;

use forebay_model::{Incarnation, Position, StreamId};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::task::AbortHandle;

use crate::error::LogError;
use crate::frame::id::FrameId;
use crate::frame::stored::{StoredFrame, Unreadable};
use crate::log::Log;
use buffer::Buffer;
use session::Session;

/// Where reading goes on: behind this position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFrom {
    /// The last position that was read.
    pub position: Position,
    /// The id of the frame there, where it had one. By it a stream is recognised that has lost its tail and has other
    /// frames there now.
    pub frame_id: Option<FrameId>,
}

/// Why a log cannot be read on. All but [`ReadError::Log`] and [`ReadError::Stopped`] mean that the log is not the one that was
/// read so far, or is damaged; a person has to decide.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The stream was made anew since that position.
    #[error("the stream {stream} was made anew: incarnation {found}, read so far was {expected}")]
    OtherIncarnation {
        /// The stream.
        stream: StreamId,
        /// The incarnation of the position.
        expected: Incarnation,
        /// The incarnation of the stream.
        found: Incarnation,
    },
    /// Frames that were read are not in the stream any more, or others stand in their place.
    #[error("the stream {stream} has lost its tail: {seq} was read, and {found}")]
    LostTail {
        /// The stream.
        stream: StreamId,
        /// The sequence number up to which was read.
        seq: u64,
        /// What stands there instead, as the end of a sentence.
        found: String,
    },
    /// Frames that were not read yet are gone.
    #[error("the stream {stream} has a gap: {seq} was read, and the next frame is {next}")]
    Gap {
        /// The stream.
        stream: StreamId,
        /// The sequence number up to which was read.
        seq: u64,
        /// The sequence number of the next frame.
        next: u64,
    },
    /// The frame is not as it was published, or of a format that is not known here, so nothing of it may be stored.
    #[error("frame {seq} of the stream {stream} {why}")]
    Unreadable {
        /// The stream.
        stream: StreamId,
        /// The sequence number of the frame.
        seq: u64,
        /// Why.
        why: Unreadable,
    },
    /// The log cannot be asked, or there is no stream. Trying again later is right.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The reader's own task has ended without saying why.
    #[error("reading the stream {stream} ended unexpectedly")]
    Stopped {
        /// The stream.
        stream: StreamId,
    },
}

impl ReadError {
    /// Whether a frame cannot be read here. The log may be the one that was read so far.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable { .. })
    }

    /// Whether the log is another one than was read so far, or has a frame that cannot be read here, so that trying again changes
    /// nothing.
    pub fn is_loss(&self) -> bool {
        matches!(
            self,
            Self::OtherIncarnation { .. } | Self::LostTail { .. } | Self::Gap { .. } | Self::Unreadable { .. }
        )
    }
}

/// Reads frames in order. A task reads ahead, within [`Log::reading_ahead`]; it ends with the reader.
#[derive(Debug)]
pub struct FrameReader {
    stream: StreamId,
    incarnation: Incarnation,
    buffer: Arc<Buffer>,
    task: AbortHandle,
}

impl Log {
    /// Reads the frames of a stream behind a position, or from the first that was ever stored.
    ///
    /// # Errors
    /// [`ReadError`] where the stream cannot be the one that was read up to that position.
    pub fn read(&self, stream: StreamId, after: Option<ReadFrom>) -> BoxFuture<'_, Result<FrameReader, ReadError>> {
        self.open_reader(stream, after).boxed()
    }

    async fn open_reader(&self, stream: StreamId, after: Option<ReadFrom>) -> Result<FrameReader, ReadError> {
        let session = self.while_connected(Session::open(self, stream, after)).await?;
        let incarnation = session.incarnation();
        let buffer = Arc::new(Buffer::new(self.read_ahead_bytes()));
        let fetch = fetch::run(self.clone(), session, Arc::clone(&buffer));
        let task = self.settings().spawner.spawn(format!("reader of {stream}"), fetch);
        Ok(FrameReader { stream, incarnation, buffer, task })
    }
}

impl FrameReader {
    /// The stream that it reads.
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// The incarnation of the stream that it reads.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Waits for a frame and gives it with those behind it that are already here: never more than `rows_max` rows or
    /// `bytes_max` bytes of payload, except that there is always one frame. It never waits for a second frame.
    /// Cancelling it loses nothing.
    ///
    /// Outages are not errors here: the reader goes on by itself when the log is back.
    ///
    /// # Errors
    /// [`ReadError`] once all frames before it have been given; then every call gives it again.
    pub async fn next_batch(&mut self, rows_max: usize, bytes_max: usize) -> Result<Vec<StoredFrame>, ReadError> {
        self.buffer.take(rows_max, bytes_max).await
    }

    /// Waits at most that long for a frame; an empty batch where none came. Otherwise as [`FrameReader::next_batch`].
    ///
    /// # Errors
    /// As [`FrameReader::next_batch`].
    pub async fn next_batch_within(
        &mut self,
        rows_max: usize,
        bytes_max: usize,
        at_most: Duration,
    ) -> Result<Vec<StoredFrame>, ReadError> {
        tokio::time::timeout(at_most, self.next_batch(rows_max, bytes_max)).await.unwrap_or(Ok(Vec::new()))
    }
}

impl Drop for FrameReader {
    fn drop(&mut self) {
        self.task.abort();
    }
}
