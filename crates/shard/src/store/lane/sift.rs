//! What of a batch can be sent, what cannot, and when the facts were: judged by the index of its tuples, before any is sent.

use std::collections::BTreeSet;
use std::ops::Range;

use bytes::Bytes;
use forebay_model::tuple::TupleEntry;
use forebay_model::{Lane, Timestamp, Tuple};

use crate::dead_letter::{Letter, Reason};
use crate::frame::{IndexedFrame, RowPosition};
use crate::owner::away::{Away, AwayRow, Way};
use crate::partition::{Granularity, LATEST, Ranges, Span};
use crate::position::Tally;
use crate::store::copy::Sent;
use crate::store::error::AttemptError;

/// Tuples that stand together in a frame, and can be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowRange<'a> {
    frame: &'a IndexedFrame,
    /// The row of the first one.
    first: u32,
    entries: &'a [TupleEntry],
}

/// What a batch is made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sifted<'a> {
    pub(crate) ranges: Vec<RowRange<'a>>,
    pub(crate) letters: Vec<Letter>,
    /// The slots of facts whose time has no partition.
    pub(crate) missing: Vec<Span>,
    /// The earliest and the latest time of the facts that can be sent.
    pub(crate) times: Option<(Timestamp, Timestamp)>,
    /// How many rows of the log it was made of.
    pub(crate) logged: u64,
    /// Those of them that are not decided here.
    pub(crate) away: Tally,
}

impl<'a> RowRange<'a> {
    fn new(frame: &'a IndexedFrame, rows: Range<u32>) -> Self {
        let entries = &frame.tuples().entries()[rows.start as usize..rows.end as usize];
        Self { frame, first: rows.start, entries }
    }

    pub(crate) fn rows(self) -> u64 {
        self.entries.len() as u64
    }

    /// Where the first one stands.
    pub(crate) fn position(self) -> RowPosition {
        self.frame.position_of(self.first)
    }

    /// Their bytes, one tuple after the other.
    pub(crate) fn bytes(self) -> &'a [u8] {
        let first = self.entries.first().map_or(0, |entry| entry.range().start);
        let end = self.entries.last().map_or(0, |entry| entry.range().end);
        &self.frame.frame().payload[first..end]
    }

    /// The same, to be kept.
    pub(crate) fn to_bytes(self) -> Bytes {
        self.frame.frame().payload.slice_ref(self.bytes())
    }

    /// Each with its bytes.
    fn tuples(self) -> impl Iterator<Item = (&'a [u8], &'a TupleEntry)> {
        let payload = &self.frame.frame().payload;
        self.entries.iter().map(|entry| (&payload[entry.range()], entry))
    }

    /// As they are sent, in the order of the log, each with its time: with their place, where rows name its log by that number.
    pub(crate) fn sent(self, place_log: Option<i16>) -> impl Iterator<Item = (Sent<'a>, Timestamp)> {
        let place = move |row| place_log.map(|log| self.frame.place_of(row, log));
        (self.first..)
            .zip(self.tuples())
            .map(move |(row, (tuples, entry))| (Sent { tuples, place: place(row) }, entry.ordered_at))
    }

    /// Each, read.
    ///
    /// # Errors
    /// [`AttemptError::Violated`] where one cannot be: what the index has a fault of is not sent.
    pub(crate) fn read(self) -> impl Iterator<Item = Result<Tuple<'a>, AttemptError>> {
        self.entries.iter().map(move |&entry| self.frame.read(entry).map_err(|error| AttemptError::unreadable(&error)))
    }

    /// Each as a range of its own.
    pub(crate) fn split(self) -> impl Iterator<Item = Self> {
        (self.first..).zip(self.entries.chunks(1)).map(move |(first, entries)| Self { first, entries, ..self })
    }
}

#[cfg(test)]
impl<'a> RowRange<'a> {
    /// Every tuple of a frame, also what the sieve would not let pass.
    pub(crate) fn unsifted(frame: &'a IndexedFrame) -> Self {
        Self::new(frame, 0..frame.tuples().entries().len() as u32)
    }
}

/// The text in a field of a row that the shard has taken, or that is to be sent.
///
/// # Errors
/// [`AttemptError::Violated`] where it is none.
pub(crate) fn text<'a>(tuple: &Tuple<'a>, place: usize) -> Result<&'a str, AttemptError> {
    str::from_utf8(tuple.field(place)).map_err(|error| AttemptError::unreadable(&error))
}

impl Sifted<'_> {
    /// How many rows can be sent.
    pub(crate) fn rows(&self) -> u64 {
        self.ranges.iter().map(|range| range.rows()).sum()
    }
}

/// Takes frames apart, but for what is away. `partitions` are those that exist, where the lane's table is partitioned by time.
pub(crate) fn sift<'a>(
    frames: impl Iterator<Item = &'a IndexedFrame>,
    partitions: &Ranges,
    granularity: Granularity,
    away: &Away,
) -> Sifted<'a> {
    let (slots, sifted) = (BTreeSet::new(), Sifted::default());
    let mut sieve = Sieve { partitions, granularity, away, here: None, slots, sifted };
    for frame in frames {
        sieve.sifted.logged += u64::from(frame.frame().rows);
        sieve.frame(frame);
    }
    sieve.sifted.missing = sieve.slots.into_iter().collect();
    sieve.sifted
}

struct Sieve<'a, 'p> {
    partitions: &'p Ranges,
    granularity: Granularity,
    away: &'p Away,
    /// The partition of the last fact: the next one most often lies there too.
    here: Option<Span>,
    /// The slots that are missing. The facts of one batch may be of many days.
    slots: BTreeSet<Span>,
    sifted: Sifted<'a>,
}

impl<'a> Sieve<'a, '_> {
    fn frame(&mut self, indexed: &'a IndexedFrame) {
        let (frame, tuples) = (indexed.frame(), indexed.tuples());
        if let Some(detail) = &frame.fault {
            return self.bury(indexed, 0, frame.rows, Reason::BadFrame, detail.clone(), frame.payload.clone());
        }
        // A frame whose count is wrong is not half trusted: what it holds may be another's, or a part.
        if !indexed.is_whole() {
            let rows = tuples.entries().len();
            let detail = format!("the frame declares {} rows and has {rows}", frame.rows);
            return self.bury(indexed, 0, frame.rows, Reason::RowCount, detail, frame.payload.clone());
        }
        self.rows(indexed);
    }

    /// Almost every frame is one range; whatever cannot be sent ends a range, and the next one begins behind it.
    fn rows(&mut self, indexed: &'a IndexedFrame) {
        let (frame, tuples) = (indexed.frame(), indexed.tuples());
        let mut faults = tuples.faults().iter().peekable();
        let mut away = self.away.of_frame(frame.seq).iter().peekable();
        let (mut first, mut row, mut end) = (0, 0, 0);
        for entry in tuples.entries() {
            if let Some(away) = away.next_if(|away| away.row == row) {
                self.take(indexed, first..row);
                self.leave(away);
                (first, row, end) = (row + 1, row + 1, entry.range().end);
                continue;
            }
            let fault = match faults.next_if(|fault| fault.row == row) {
                Some(fault) => Some((Reason::BadTuple, fault.error.to_string())),
                None => self.time(indexed, entry.ordered_at),
            };
            if let Some((reason, detail)) = fault {
                self.take(indexed, first..row);
                self.bury(indexed, row, 1, reason, detail, frame.payload.slice(entry.range()));
                first = row + 1;
            }
            row += 1;
            end = entry.range().end;
        }
        self.take(indexed, first..row);
        if let Some(torn) = faults.next() {
            let (rows, rest) = (frame.rows - row, frame.payload.slice(end..));
            self.bury(indexed, row, rows, Reason::TornTuple, torn.error.to_string(), rest);
        }
    }

    /// What is wrong with a fact's time, if anything. Notes the time and the partition that it needs.
    fn time(&mut self, frame: &IndexedFrame, at: Timestamp) -> Option<(Reason, String)> {
        if at < Timestamp::EARLIEST || at >= LATEST {
            return Some((Reason::OutOfRange, format!("ordered_at {at} lies outside 2000 to 2099")));
        }
        if !frame.rows_of().is_some_and(Lane::is_partitioned_by_time) {
            return None;
        }
        let times = self.sifted.times.get_or_insert((at, at));
        *times = (times.0.min(at), times.1.max(at));
        if !self.here.is_some_and(|span| span.holds(at.unix_us())) {
            // Only a range that exists is remembered: a part of the slot may have a partition of another size.
            self.here = self.partitions.span_of(at);
            if self.here.is_none() {
                self.slots.insert(self.granularity.slot(at));
            }
        }
        None
    }

    fn take(&mut self, frame: &'a IndexedFrame, rows: Range<u32>) {
        if !rows.is_empty() {
            self.sifted.ranges.push(RowRange::new(frame, rows));
        }
    }

    fn leave(&mut self, row: &AwayRow) {
        let away = &mut self.sifted.away;
        match row.way {
            Way::SentOn(_) => away.sent_on += 1,
            Way::Parked => away.parked += 1,
            Way::PassedOver => {}
        }
    }

    fn bury(&mut self, frame: &IndexedFrame, row: u32, rows: u32, reason: Reason, detail: String, tuple: Bytes) {
        let position = frame.position_of(row);
        self.sifted.letters.push(Letter { position, rows, reason, sqlstate: None, detail, tuple });
    }
}
