//! A walk over the tuples of a batch, once, before any of it is sent: what can be sent, what cannot, and when the facts were.

use std::collections::BTreeSet;

use bytes::Bytes;
use forebay_model::tuple::{Tuple, Tuples};
use forebay_model::{Lane, Timestamp};

use crate::dead_letter::{Letter, Place, Reason};
use crate::frame::LogFrame;
use crate::partition::{Granularity, Ranges, Span};

/// Tuples that stand together in a frame.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Where the first one stands.
    pub(crate) place: Place,
    pub(crate) rows: u32,
    pub(crate) tuples: Bytes,
}

/// What a batch is made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sifted {
    pub(crate) runs: Vec<Run>,
    pub(crate) letters: Vec<Letter>,
    /// The slots of facts whose time has no partition.
    pub(crate) missing: Vec<Span>,
    /// The earliest and the latest time of the facts that can be sent.
    pub(crate) times: Option<(Timestamp, Timestamp)>,
}

/// 2100-01-01T00:00:00Z. Ingestion refuses what is more than a day ahead; this only keeps a foreign frame from making
/// partitions for the end of time.
pub(crate) const LATEST: Timestamp = Timestamp::from_unix_us(4_102_444_800_000_000);

impl Run {
    /// Where its row of that number stands.
    pub(crate) fn place_of(&self, row: u32) -> Place {
        Place { row: self.place.row + row, ..self.place }
    }

    /// Each tuple as a run of its own.
    pub(crate) fn split(&self, lane: Lane) -> Vec<Self> {
        let tuples = Tuples::new(lane, &self.tuples).map_while(Result::ok);
        let one = |(row, tuple): (u32, Tuple<'_>)| Self {
            place: self.place_of(row),
            rows: 1,
            tuples: self.tuples.slice_ref(tuple.bytes()),
        };
        (0..).zip(tuples).map(one).collect()
    }
}

impl Sifted {
    /// How many rows can be sent.
    pub(crate) fn rows(&self) -> u64 {
        self.runs.iter().map(|run| u64::from(run.rows)).sum()
    }

    /// How many rows of the log the letters stand for.
    pub(crate) fn dead(&self) -> u64 {
        self.letters.iter().map(|letter| u64::from(letter.rows)).sum()
    }
}

/// Takes frames apart. `ranges` are the partitions that exist, where the lane's table is partitioned by time.
pub(crate) fn sift(lane: Lane, frames: &[LogFrame], ranges: &Ranges, granularity: Granularity) -> Sifted {
    let mut walk = Walk { lane, ranges, granularity, here: None, slots: BTreeSet::new(), sifted: Sifted::default() };
    for frame in frames {
        walk.frame(frame);
    }
    walk.sifted.missing = walk.slots.into_iter().collect();
    walk.sifted
}

struct Walk<'a> {
    lane: Lane,
    ranges: &'a Ranges,
    granularity: Granularity,
    /// The range of the last fact: the next one most often lies there too.
    here: Option<Span>,
    /// The slots that are missing. The facts of one batch may be of many days.
    slots: BTreeSet<Span>,
    sifted: Sifted,
}

impl Walk<'_> {
    fn frame(&mut self, frame: &LogFrame) {
        let place = Place { seq: frame.seq, row: 0, epoch: frame.epoch, enqueued_at: frame.enqueued_at };
        if let Some((reason, detail)) = &frame.fault {
            return self.bury(place, frame.rows, *reason, detail.clone(), frame.payload.clone());
        }
        // A frame whose count is wrong is not half trusted: what it holds may be another's, or a part.
        let found = count(self.lane, &frame.payload);
        let is_wrong = match found {
            Count::Whole(rows) => rows != frame.rows,
            Count::Torn(rows) => rows >= frame.rows,
        };
        if is_wrong {
            let (Count::Whole(rows) | Count::Torn(rows)) = found;
            let detail = format!("the frame declares {} rows and has {rows}", frame.rows);
            return self.bury(place, frame.rows, Reason::RowCount, detail, frame.payload.clone());
        }
        self.tuples(frame, place);
    }

    /// Almost every frame is one run; whatever cannot be sent ends a run, and the next one begins behind it.
    fn tuples(&mut self, frame: &LogFrame, start: Place) {
        let payload = &frame.payload;
        let (mut run_from, mut run_row) = (0, 0);
        let (mut at, mut row) = (0, 0);
        while at < payload.len() {
            let place = Place { row, ..start };
            let (length, fault) = match Tuples::new(self.lane, &payload[at..]).next() {
                Some(Ok(tuple)) => (tuple.bytes().len(), self.time(&tuple)),
                Some(Err(error)) => match framed_length(self.lane, &payload[at..]) {
                    Some(length) => (length, Some((Reason::BadTuple, error.to_string()))),
                    None => (payload.len() - at, Some((Reason::TornTuple, error.to_string()))),
                },
                None => break,
            };
            if let Some((reason, detail)) = fault {
                self.run(Place { row: run_row, ..start }, row - run_row, payload.slice(run_from..at));
                let rows = if reason == Reason::TornTuple { frame.rows - row } else { 1 };
                self.bury(place, rows, reason, detail, payload.slice(at..at + length));
                (run_from, run_row) = (at + length, row + 1);
            }
            at += length;
            row += 1;
        }
        if run_from < at {
            self.run(Place { row: run_row, ..start }, row - run_row, payload.slice(run_from..at));
        }
    }

    /// What is wrong with a fact's time, if anything. Notes the time and the partition that it needs.
    fn time(&mut self, tuple: &Tuple<'_>) -> Option<(Reason, String)> {
        let at = tuple.ordered_at();
        if at < Timestamp::EARLIEST || at >= LATEST {
            return Some((Reason::OutOfRange, format!("ordered_at {at} lies outside 2000 to 2099")));
        }
        if !self.lane.is_partitioned_by_time() {
            return None;
        }
        let times = self.sifted.times.get_or_insert((at, at));
        *times = (times.0.min(at), times.1.max(at));
        if !self.here.is_some_and(|span| span.holds(at.unix_us())) {
            // Only a range that exists is remembered: a part of the slot may have a partition of another size.
            self.here = self.ranges.span_of(at);
            if self.here.is_none() {
                self.slots.insert(self.granularity.slot(at));
            }
        }
        None
    }

    fn run(&mut self, place: Place, rows: u32, tuples: Bytes) {
        if rows > 0 {
            self.sifted.runs.push(Run { place, rows, tuples });
        }
    }

    fn bury(&mut self, place: Place, rows: u32, reason: Reason, detail: String, tuple: Bytes) {
        self.sifted.letters.push(Letter { place, rows, reason, sqlstate: None, detail, tuple });
    }
}

/// How many tuples a payload has.
enum Count {
    /// It ends where its last tuple ends.
    Whole(u32),
    /// So many, and then something that is no tuple.
    Torn(u32),
}

fn count(lane: Lane, payload: &[u8]) -> Count {
    let mut rest = payload;
    let mut rows = 0;
    while !rest.is_empty() {
        let Some(length) = framed_length(lane, rest) else { return Count::Torn(rows) };
        rest = &rest[length..];
        rows += 1;
    }
    Count::Whole(rows)
}

/// The length of the tuple at the start, by its own field lengths, whatever the fields hold: where the next one begins.
/// `None` where it is torn, or has not the lane's number of fields.
fn framed_length(lane: Lane, bytes: &[u8]) -> Option<usize> {
    let (count, mut rest) = bytes.split_first_chunk()?;
    if usize::try_from(i16::from_be_bytes(*count)) != Ok(lane.columns().len()) {
        return None;
    }
    for _ in lane.columns() {
        let (length, behind) = rest.split_first_chunk()?;
        let length = usize::try_from(i32::from_be_bytes(*length).max(0)).ok()?;
        (_, rest) = behind.split_at_checked(length)?;
    }
    Some(bytes.len() - rest.len())
}
