//! Figures of a run, of one file or of all.

use std::ops::{AddAssign, SubAssign};

use serde::{Deserialize, Serialize};

/// What became of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Lines that were read: those of accepted records, of rejected ones, and those that are passed over.
    pub lines: u64,
    /// Lines of accepted records.
    pub accepted_lines: u64,
    /// Lines of rejected records.
    pub rejected_lines: u64,
    /// Lines that the map passes over.
    pub passed_over_lines: u64,
    /// Records: orders, good or bad.
    pub records: u64,
    /// Records that ingest accepted.
    pub accepted: u64,
    /// Records that ingest rejected, or that could not be sent.
    pub rejected: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Lines that were sent again because a request had no answer.
    pub resent_lines: u64,
}

/// What became of orders, in short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records that ingest accepted.
    pub accepted: u64,
    /// Records that ingest rejected, or that could not be sent.
    pub rejected: u64,
}

impl Tally {
    /// What became of the records.
    pub(crate) fn counts(&self) -> Counts {
        Counts { accepted: self.accepted, rejected: self.rejected }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.rejected += other.rejected;
    }
}

impl SubAssign for Counts {
    fn sub_assign(&mut self, other: Self) {
        self.accepted -= other.accepted;
        self.rejected -= other.rejected;
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.lines += other.lines;
        self.accepted_lines += other.accepted_lines;
        self.rejected_lines += other.rejected_lines;
        self.passed_over_lines += other.passed_over_lines;
        self.records += other.records;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.retries += other.retries;
        self.resent_lines += other.resent_lines;
    }
}
