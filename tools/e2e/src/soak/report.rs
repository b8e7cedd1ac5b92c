//! A line for everything that was looked at.

use std::fmt;

/// How many things that are wrong are told.
const TOLD_MAX: usize = 5;

/// What was looked at so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    failed: usize,
}

/// Something that was looked at.
#[derive(Debug, Default)]
pub(super) struct Check {
    /// What was.
    pub(super) what: String,
    /// How many there must be.
    pub(super) expected: u64,
    /// How many there are.
    pub(super) found: u64,
    /// What is wrong with them.
    pub(super) wrong: Vec<String>,
}

impl Report {
    /// Tells what came of something that was looked at.
    pub(super) fn tell(&mut self, check: &Check) {
        self.failed += usize::from(!check.is_right());
        println!("{check}");
    }

    /// Whether everything was right.
    pub(super) fn is_right(&self) -> bool {
        self.failed == 0
    }
}

impl Check {
    fn is_right(&self) -> bool {
        self.found == self.expected && self.wrong.is_empty()
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, expected, found, wrong } = self;
        let verdict = if self.is_right() { "ok  " } else { "FAIL" };
        write!(f, "{verdict} {what}: {found} of {expected}, {} wrong", wrong.len())?;
        wrong.iter().take(TOLD_MAX).try_for_each(|one| write!(f, "\n       {one}"))
    }
}
