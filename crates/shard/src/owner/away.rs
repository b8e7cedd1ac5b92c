//! The rows of a batch that are not decided here: they are sent on, or parked.
//!
//! **A row is sent on before the batch is committed**: it is published to the other shard's log and acknowledged, and only then does the position move
//! over it, with that place as its unit's edge. A row whose log does not take it is parked, and those of its unit behind it, too, so that none overtakes
//! another. A writer that dies in between sends them once more, which is harmless: a fact twice is a fact once.

use std::collections::{BTreeMap, BTreeSet};

use forebay_model::ownership::{CopyFate, Ownership, RowFate};
use forebay_model::tuple::TupleEntry;
use forebay_model::{Bucket, Lane, Position, ShardId};

use super::units::Units;
use crate::dead_letter::DeadRows;
use crate::frame::IndexedFrame;

/// For each shard that rows were sent on to, where the last of them lies in its log.
pub type SentOn = BTreeMap<ShardId, Position>;

/// The rows of a batch that are not decided here, in the order of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Away {
    rows: Vec<AwayRow>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AwayRow {
    /// Its frame, by its place among those of the batch.
    pub(crate) frame: usize,
    /// Its place in the log.
    pub(crate) seq: u64,
    pub(crate) row: u32,
    pub(crate) lane: Lane,
    pub(crate) bucket: Bucket,
    pub(crate) way: Way,
}

/// What becomes of a row that is not decided here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is sent on to that shard.
    SentOn(ShardId),
    /// It waits here.
    Parked,
    /// A copy that is late, or not for this shard any more.
    PassedOver,
}

impl Away {
    /// Those of these frames. What nobody is known to have sent is parked.
    pub(crate) fn of(frames: &[IndexedFrame], units: &Units, sent: &SentOn) -> Self {
        let mut away = Self::wanted(frames, units);
        for row in &mut away.rows {
            row.way = match row.way {
                Way::SentOn(to) if !sent.contains_key(&to) => Way::Parked,
                way => way,
            };
        }
        away
    }

    /// Those of these frames, each with where it should go.
    pub(crate) fn wanted(frames: &[IndexedFrame], units: &Units) -> Self {
        let mut rows = Vec::new();
        for (place, frame) in frames.iter().enumerate() {
            let Some(lane) = frame.lane().filter(|_| frame.is_whole()) else { continue };
            let mut faults = frame.tuples().faults().iter().map(|fault| fault.row).peekable();
            for (row, entry) in (0u32..).zip(frame.tuples().entries()) {
                // What cannot be read is of no unit, and dead where it is.
                let is_broken = faults.next_if_eq(&row).is_some();
                let Some(bucket) = bucket_of(frame, entry).filter(|&bucket| !units.decides(bucket)) else { continue };
                if is_broken {
                    continue;
                }
                let way = match units.fate(bucket) {
                    RowFate::Decide { .. } => continue,
                    RowFate::SendOn(to) => Way::SentOn(to),
                    RowFate::Park => Way::Parked,
                };
                rows.push(AwayRow { frame: place, seq: frame.frame().seq, row, lane, bucket, way });
            }
        }
        Self { rows }
    }

    /// The copies among these frames that are passed over.
    pub(crate) fn copies(frames: &[IndexedFrame], units: &Units) -> Self {
        let mut rows = Vec::new();
        for (place, frame) in frames.iter().enumerate() {
            let Some((lane, copied)) = frame.copied().filter(|_| frame.is_whole()) else { continue };
            for (row, entry) in (0u32..).zip(frame.tuples().entries()) {
                let is_taken = |bucket: Bucket| matches!(units.of(bucket).copy(copied.of), CopyFate::Store);
                if let Some(bucket) = bucket_of(frame, entry).filter(|&bucket| !is_taken(bucket)) {
                    rows.push(AwayRow {
                        frame: place,
                        seq: frame.frame().seq,
                        row,
                        lane,
                        bucket,
                        way: Way::PassedOver,
                    });
                }
            }
        }
        Self { rows }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn rows(&self) -> &[AwayRow] {
        &self.rows
    }

    /// Those of a frame.
    pub(crate) fn of_frame(&self, seq: u64) -> &[AwayRow] {
        let first = self.rows.partition_point(|row| row.seq < seq);
        let behind = self.rows.partition_point(|row| row.seq <= seq);
        &self.rows[first..behind]
    }

    /// Where they stand.
    pub(crate) fn spans(&self) -> Vec<DeadRows> {
        self.rows.iter().map(|&AwayRow { seq, row, .. }| DeadRows { seq, row, rows: 1 }).collect()
    }

    /// The buckets of which rows are parked.
    pub(crate) fn parked(&self) -> BTreeSet<Bucket> {
        self.rows.iter().filter(|row| row.way == Way::Parked).map(|row| row.bucket).collect()
    }

    /// What is said of the buckets whose rows were sent on, with where.
    pub(crate) fn edges(&self, units: &Units, sent: &SentOn) -> Vec<(Bucket, Ownership)> {
        let mut changed: BTreeMap<Bucket, Ownership> = BTreeMap::new();
        for row in &self.rows {
            let Way::SentOn(to) = row.way else { continue };
            let Some(&at) = sent.get(&to) else { continue };
            changed.entry(row.bucket).or_insert_with(|| units.of(row.bucket)).note_edge(to, at);
        }
        changed.into_iter().collect()
    }
}

/// The bucket by which a row is routed: the first column of every lane.
fn bucket_of(frame: &IndexedFrame, entry: &TupleEntry) -> Option<Bucket> {
    // Behind the number of fields and the length of the first.
    let bytes = frame.frame().payload.get(entry.range())?.get(6..8)?;
    Bucket::new(u16::from_be_bytes([bytes[0], bytes[1]]))
}
