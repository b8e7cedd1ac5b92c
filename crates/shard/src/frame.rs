//! Frames of the log as a shard needs to know them.

use bytes::Bytes;
use forebay_model::{Claims, Epoch, Lane, Timestamp, TupleIndex};

use crate::dead_letter::{Reason, RowPosition};

/// A message of a lane's log, to be committed.
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
    pub fault: Option<(Reason, String)>,
}

/// A frame whose tuples were found: once, for everything that is asked of them.
#[derive(Clone, Debug)]
pub struct IndexedFrame {
    frame: LogFrame,
    lane: Lane,
    tuples: TupleIndex,
}

impl LogFrame {
    /// Finds its tuples, as a frame of that lane.
    pub fn indexed(self, lane: Lane) -> IndexedFrame {
        let tuples = if self.fault.is_some() { TupleIndex::default() } else { TupleIndex::of(lane, &self.payload) };
        IndexedFrame { frame: self, lane, tuples }
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

    /// The lane that its tuples were read as.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// Its tuples; none where its headers already say that it cannot be read.
    pub fn tuples(&self) -> &TupleIndex {
        &self.tuples
    }
}
