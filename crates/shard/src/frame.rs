//! Frames of the log as a shard needs to know them.

use bytes::Bytes;
use forebay_model::ownership::{Change, Copied};
use forebay_model::tuple::{TupleEntry, TupleError};
use forebay_model::{Claims, Control, Epoch, Lane, StreamKind, Timestamp, Tuple, TupleIndex};

use crate::place::Place;

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
    /// The number of its first row.
    first_row: u32,
    /// By what number rows name the log that its copies were first stored from.
    place_log: Option<i16>,
}

/// Where in the log a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowPosition {
    pub(crate) seq: u64,
    /// From 0.
    pub(crate) row: u32,
    pub(crate) epoch: Epoch,
    pub(crate) enqueued_at: Option<Timestamp>,
}

/// What a frame carries.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Facts(Lane),
    Control(Control),
    Copies(Lane, Copied),
    /// Nothing that is known of, of a stream of that kind.
    Nothing(StreamKind),
}

impl LogFrame {
    /// Finds its tuples, as a frame of that lane.
    pub fn indexed(self, lane: Lane) -> IndexedFrame {
        let tuples = if self.fault.is_some() { TupleIndex::default() } else { TupleIndex::of(lane, &self.payload) };
        IndexedFrame { frame: self, content: Content::Facts(lane), tuples, first_row: 0, place_log: None }
    }

    /// Finds its tuples, as copies of that lane.
    pub fn bringing(self, lane: Lane, copied: Copied) -> IndexedFrame {
        let tuples = TupleIndex::of(lane, &self.payload);
        IndexedFrame { frame: self, content: Content::Copies(lane, copied), tuples, first_row: 0, place_log: None }
    }

    /// It has no rows, but says this.
    pub fn saying(self, control: Control) -> IndexedFrame {
        IndexedFrame {
            frame: self,
            content: Content::Control(control),
            tuples: TupleIndex::default(),
            first_row: 0,
            place_log: None,
        }
    }

    /// It is of no lane, and says nothing.
    pub fn saying_nothing(self, of: StreamKind) -> IndexedFrame {
        IndexedFrame {
            frame: self,
            content: Content::Nothing(of),
            tuples: TupleIndex::default(),
            first_row: 0,
            place_log: None,
        }
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
        RowPosition { seq, row: self.first_row + row, epoch, enqueued_at }
    }

    /// The number of its first row: 0, but where several lanes' rows stand at one place.
    pub fn first_row(&self) -> u32 {
        self.first_row
    }

    /// Its rows are numbered from this on.
    pub(crate) fn numbered_from(self, first_row: u32) -> Self {
        Self { first_row, ..self }
    }

    /// Whether it can be read, and has as many rows as it declares, though the last of them may be torn. Nothing is stored of one that is not.
    pub fn is_whole(&self) -> bool {
        let (rows, declared) = (self.tuples.entries().len(), self.frame.rows as usize);
        let has_all = if self.tuples.is_torn() { rows < declared } else { rows == declared };
        self.frame.fault.is_none() && has_all
    }

    /// What it says of whose a unit is, where it is such a control frame.
    pub fn owner(&self) -> Option<&Change> {
        match self.control()? {
            Control::Owner(change) => Some(change),
            Control::Views { .. } => None,
        }
    }

    /// The lane that its tuples were read as, where it has some.
    pub fn lane(&self) -> Option<Lane> {
        match self.content {
            Content::Facts(lane) => Some(lane),
            Content::Control(_) | Content::Copies(..) | Content::Nothing(_) => None,
        }
    }

    /// The lane that its rows are of, be they to be decided or copies.
    pub fn rows_of(&self) -> Option<Lane> {
        self.lane().or(self.copied().map(|(lane, _)| lane))
    }

    /// What its copies are, where it has some.
    pub(crate) fn copied(&self) -> Option<(Lane, &Copied)> {
        match &self.content {
            Content::Copies(lane, copied) => Some((*lane, copied)),
            Content::Facts(_) | Content::Control(_) | Content::Nothing(_) => None,
        }
    }

    /// Its copies name the log that they were first stored from by that number.
    pub(crate) fn placed_in(self, place_log: Option<i16>) -> Self {
        Self { place_log, ..self }
    }

    /// The place that one of its rows keeps, where its own frame lies in the log of that number.
    pub(crate) fn place_of(&self, row: u32, here: i16) -> Place {
        let copied = self.copied().and_then(|(_, copied)| copied.place.as_ref());
        match copied.and_then(|place| Some((self.place_log?, *place.seqs.get(row as usize)?))) {
            Some((log, seq)) => Place { log, seq },
            None => Place { log: here, seq: self.frame.seq },
        }
    }

    /// What it says, where it is a control frame.
    pub fn control(&self) -> Option<&Control> {
        match &self.content {
            Content::Control(control) => Some(control),
            Content::Facts(_) | Content::Copies(..) | Content::Nothing(_) => None,
        }
    }

    /// The kind of stream that it was read of.
    pub(crate) fn stream(&self) -> StreamKind {
        match &self.content {
            Content::Facts(lane) | Content::Copies(lane, _) => lane.kind(),
            Content::Control(control) => control.stream(),
            Content::Nothing(of) => *of,
        }
    }

    /// Its tuples; none where its headers already say that it cannot be read.
    pub fn tuples(&self) -> &TupleIndex {
        &self.tuples
    }

    /// One of its tuples, read.
    ///
    /// # Errors
    /// What is wrong with it, where the index says so.
    pub fn read(&self, entry: TupleEntry) -> Result<Tuple<'_>, TupleError> {
        entry.read(self.rows_of().ok_or(TupleError::Torn)?, &self.frame.payload)
    }
}
