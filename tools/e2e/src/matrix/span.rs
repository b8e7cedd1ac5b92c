//! How long a case goes on.

use std::time::Duration;

/// How long a case goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Long enough to see the fault work: for every test run.
    Brief,
    /// As long as the promise says.
    Full,
    /// The same, and so often where a case has moments.
    Moments(usize),
}

impl Span {
    /// One of two durations.
    pub fn of(self, brief_s: u64, full_s: u64) -> Duration {
        Duration::from_secs(if self == Self::Brief { brief_s } else { full_s })
    }

    /// How often a fault is repeated.
    pub fn rounds(self) -> usize {
        if self == Self::Brief { 1 } else { 3 }
    }

    /// How many moments a case has that is over when all are through.
    pub fn moments(self) -> usize {
        match self {
            Self::Brief => 4,
            Self::Full => 12,
            Self::Moments(moments) => moments,
        }
    }
}
