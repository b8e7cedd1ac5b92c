//! Frames of the log as a shard needs to know them.

use bytes::Bytes;
use forebay_model::{Claims, Control, Epoch, Lane, StreamKind, Timestamp, TupleIndex};

use crate::dead_letter::RowPosition;

/// A message of a stream, to be committed.
#[derive(Clone, Debug)]
pub struct LogFrame {
    /// Its sequence number.
    pub seq: u64,
    /// Its id; empty where it has none.
    pub id: String,
    /// The epoch of the shard map that it was made under.
    pub epoch: Epoch,
    /// When it was made, where it says so.
    pub enqueued_at: Option<Timestamp>,
    /// How many rows it declares. This is what the sums go by: exactly that many are stored, duplicate or dead.
    pub rows: u32,
    /// Its COPY tuples.
    pub payload: Bytes,
    /// Which of its rows are of which request; of a frame that cannot be read, whatever number of rows it counts as.
    pub claims: Claims,
    /// Why it cannot be read, where its headers already say so: the whole frame becomes one dead letter.
    pub fault: Option<String>,
}

/// A frame whose tuples were found: once, for everything that is asked of them.
#[derive(Clone, Debug)]
pub struct IndexedFrame {
    frame: LogFrame,
    content: Content,
    tuples: TupleIndex,
}

/// What a frame carries.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Facts(Lane),
    Control(Control),
    /// Nothing that is known of, of a logged stream.
    Nothing,
}

impl LogFrame {
    /// Finds its tuples, as a frame of that lane.
    pub fn indexed(self, lane: Lane) -> IndexedFrame {
        let tuples = if self.fault.is_some() { TupleIndex::default() } else { TupleIndex::of(lane, &self.payload) };
        IndexedFrame { frame: self, content: Content::Facts(lane), tuples }
    }

    /// It has no rows, but says this.
    pub fn saying(self, control: Control) -> IndexedFrame {
        IndexedFrame { frame: self, content: Content::Control(control), tuples: TupleIndex::default() }
    }

    /// It is none of a lane, and says nothing.
    pub fn saying_nothing(self) -> IndexedFrame {
        IndexedFrame { frame: self, content: Content::Nothing, tuples: TupleIndex::default() }
    }
}

impl IndexedFrame {
    /// The frame.
    pub fn frame(&self) -> &LogFrame {
        &self.frame
    }

    /// Where its row of that number stands.
    pub(crate) fn position_of(&self, row: u32) -> RowPosition {
        let LogFrame { seq, epoch, enqueued_at, .. } = self.frame;
        RowPosition { seq, row, epoch, enqueued_at }
    }

    /// The lane that its tuples were read as, where it has some.
    pub fn lane(&self) -> Option<Lane> {
        match self.content {
            Content::Facts(lane) => Some(lane),
            Content::Control(_) | Content::Nothing => None,
        }
    }

    /// What it says, where it is a control frame.
    pub fn control(&self) -> Option<&Control> {
        match &self.content {
            Content::Control(control) => Some(control),
            Content::Facts(_) | Content::Nothing => None,
        }
    }

    /// The kind of stream that it was read of.
    pub(crate) fn stream(&self) -> StreamKind {
        self.lane().map_or(StreamKind::Logged, Lane::kind)
    }

    /// Its tuples; none where its headers already say that it cannot be read.
    pub fn tuples(&self) -> &TupleIndex {
        &self.tuples
    }
}
