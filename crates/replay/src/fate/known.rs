//! What is known of a file's orders, and which receipts are still open. It is kept where the next run finds it.

use std::collections::{BTreeMap, VecDeque};

use forebay_api::ReceiptReport;
use serde::{Deserialize, Serialize};

use super::{DeadRecord, Fates};
use crate::chunk::LineSpan;

/// How many dead orders of each reason are named, of each file.
const TOLD_MAX: usize = 10;

/// What is known of the records that count, over all runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// Records that were accepted.
    pub(crate) accepted: u64,
    /// Records that were rejected.
    pub(crate) rejected: u64,
    stored: u64,
    duplicates: u64,
    dead: u64,
    dead_by_reason: BTreeMap<String, u64>,
    first_dead: Vec<Found>,
    /// Requests of which it is not known what became of them, the oldest first.
    pub(crate) open: VecDeque<Open>,
}

/// A request of which it is not known yet what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Open {
    pub(crate) receipt: String,
    /// How many of its orders were accepted.
    pub(crate) accepted: u64,
    /// The records of the file that it was made of.
    pub(crate) records: Records,
}

/// Records of a file, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Records {
    pub(crate) first: u64,
    /// Behind the last one.
    pub(crate) end: u64,
}

/// A dead order whose line is not looked for yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) order_id: Option<String>,
    pub(crate) reason: String,
    pub(crate) letter: String,
    pub(crate) records: Records,
}

impl Known {
    /// Takes note of what became of the oldest open request; `None` where nobody knows any more.
    pub(crate) fn close_oldest(&mut self, report: Option<ReceiptReport>) {
        let (Some(open), Some(report)) = (self.open.pop_front(), report) else { return };
        self.stored += report.stored.unwrap_or_default();
        self.duplicates += report.duplicate;
        self.dead += report.dead_in_all;
        let purged = report.dead_in_all.saturating_sub(report.dead_by_reason.values().sum());
        let purged = (purged > 0).then(|| ("purged".to_owned(), purged));
        for (reason, orders) in report.dead_by_reason.into_iter().chain(purged) {
            *self.dead_by_reason.entry(reason).or_default() += orders;
        }
        for dead in report.dead {
            if self.first_dead.iter().filter(|known| known.reason == dead.reason).count() < TOLD_MAX {
                let (order_id, reason, letter) = (dead.order_id, dead.reason, dead.letter);
                self.first_dead.push(Found { order_id, reason, letter, records: open.records });
            }
        }
    }

    /// How many records are open.
    pub(crate) fn open_records(&self) -> u64 {
        self.open.iter().map(|open| open.accepted).sum()
    }

    /// Whether something was rejected or is dead.
    pub(crate) fn has_losses(&self) -> bool {
        self.rejected > 0 || self.dead > 0
    }

    /// Dead orders whose lines are to be found.
    pub(crate) fn first_dead(&self) -> &[Found] {
        &self.first_dead
    }

    /// As it is told, with the places of the dead orders, as far as they were found. Beside what counts, `uncounted` orders were
    /// accepted.
    pub(crate) fn fates(&self, file: &str, places: &[Vec<LineSpan>], uncounted: u64) -> Fates {
        let decided = self.stored + self.duplicates + self.dead;
        let told = |(number, found): (usize, &Found)| DeadRecord {
            file: file.to_owned(),
            places: places.get(number).cloned().unwrap_or_default(),
            order_id: found.order_id.clone(),
            reason: found.reason.clone(),
            letter: found.letter.clone(),
        };
        Fates {
            stored: self.stored,
            duplicates: self.duplicates,
            dead: self.dead,
            dead_by_reason: self.dead_by_reason.clone(),
            first_dead: self.first_dead.iter().enumerate().map(told).collect(),
            undecided: (self.accepted + uncounted).saturating_sub(decided),
        }
    }
}
