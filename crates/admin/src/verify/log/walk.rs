//! Reading the log of a stream, whatever is wrong with it.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use forebay_log::{FrameReader, Log, ReadError, ReadFrom, StoredFrame, Unreadable};
use forebay_model::{Position, StreamId};

/// The most bytes of frames that are taken at a time.
const BYTES: usize = 4 << 20;
/// For how long a frame that is there may not come.
const FRAME_MAX: Duration = Duration::from_secs(10);

/// What is wrong with a log.
#[derive(Debug)]
pub(crate) enum Flaw {
    /// Frames are not there.
    Gone(RangeInclusive<u64>),
    /// A frame is not as it was published, or of a format that is not known here.
    Unreadable(u64, Unreadable),
}

/// What is met in a log.
#[derive(Debug)]
pub(crate) enum Met {
    /// The next frames.
    Frames(Vec<StoredFrame>),
    /// Frames that are not there, or not as they should be. They are passed.
    Flaw(Flaw),
    /// Nothing comes.
    Nothing,
}

/// Reads a stream on from a position. A task of the log reads ahead meanwhile.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    log: &'a Log,
    stream: StreamId,
    /// Everything up to here has been met.
    at: Position,
    reader: Option<FrameReader>,
}

impl<'a> Walk<'a> {
    pub(crate) fn behind(log: &'a Log, stream: StreamId, position: Position) -> Self {
        Self { log, stream, at: position, reader: None }
    }

    /// The sequence number up to which everything has been met.
    pub(crate) fn seq(&self) -> u64 {
        self.at.seq
    }

    /// Goes on behind a frame that was not met.
    pub(crate) fn skip_to(&mut self, seq: u64) {
        (self.at.seq, self.reader) = (seq, None);
    }

    /// What is met next.
    ///
    /// # Errors
    /// As those of [`FrameReader`]; a gap only where it has been trimmed.
    pub(crate) async fn next(&mut self) -> Result<Met, ReadError> {
        match self.read().await {
            Ok(frames) => {
                let Some(last) = frames.last() else { return Ok(Met::Nothing) };
                self.at = last.position;
                Ok(Met::Frames(frames))
            }
            Err(ReadError::Gap { seq, next, .. }) if self.log.stream_state(self.stream).await?.first_seq < next => {
                self.skip_to(next - 1);
                Ok(Met::Flaw(Flaw::Gone(seq + 1..=next - 1)))
            }
            Err(ReadError::Unreadable { seq, why, .. }) => {
                self.skip_to(seq);
                Ok(Met::Flaw(Flaw::Unreadable(seq, why)))
            }
            Err(error) => Err(error),
        }
    }

    async fn read(&mut self) -> Result<Vec<StoredFrame>, ReadError> {
        self.open().await?.next_batch_within(usize::MAX, BYTES, FRAME_MAX).await
    }

    /// Checks that the stream can be read on from here, where that is not known.
    ///
    /// # Errors
    /// As those of [`Log::read`].
    pub(crate) async fn open(&mut self) -> Result<&mut FrameReader, ReadError> {
        if self.reader.is_none() {
            let after = ReadFrom { position: self.at, frame_id: None };
            self.reader = Some(self.log.read(self.stream, Some(after)).await?);
        }
        self.reader.as_mut().ok_or(ReadError::Stopped { stream: self.stream })
    }
}

impl Flaw {
    /// Without what lies behind a frame.
    pub(crate) fn up_to(self, last: u64) -> Self {
        match self {
            Self::Gone(gone) => Self::Gone(*gone.start()..=last.min(*gone.end())),
            unreadable @ Self::Unreadable(..) => unreadable,
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(gone) if gone.start() == gone.end() => write!(f, "frame {} is not in the log", gone.start()),
            Self::Gone(gone) => write!(f, "frames {} to {} are not in the log", gone.start(), gone.end()),
            Self::Unreadable(seq, why) => write!(f, "frame {seq} {why}"),
        }
    }
}
