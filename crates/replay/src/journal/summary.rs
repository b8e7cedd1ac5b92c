//! What a run has come to.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::tally::Tally;
use super::{Account, Journal};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Every record was accepted.
    Accepted,
    /// Every record was delivered, and some were rejected.
    SomeRejected,
    /// Something was not delivered.
    Undelivered,
    /// It was stopped before the end.
    Interrupted,
}

/// What a run has come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How it ended.
    pub ending: Ending,
    /// Whether records were only checked.
    pub dry_run: bool,
    /// Figures of all files.
    #[serde(flatten)]
    pub total: Tally,
    /// How long it took.
    pub seconds: f64,
    /// Accepted orders in that time.
    pub orders_per_s: f64,
    /// Each file.
    pub files: Vec<FileSummary>,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSummary {
    /// What messages call it.
    pub file: String,
    /// Whether it was sent to its end.
    pub complete: bool,
    /// How many records an earlier run had sent.
    pub resumed_behind: u64,
    /// Its figures.
    #[serde(flatten)]
    pub tally: Tally,
    /// The rejects file, where there is something in it.
    pub rejects: Option<PathBuf>,
}

impl Summary {
    /// Sums up a journal.
    pub(crate) fn new(journal: &Journal, ending: Ending, dry_run: bool, resumed: &[u64]) -> Self {
        let elapsed = journal.elapsed().max(Duration::from_micros(1)).as_secs_f64();
        let file = |(account, &resumed_behind): (&Account, &u64)| FileSummary {
            file: account.name.clone(),
            complete: account.complete,
            resumed_behind,
            tally: account.tally,
            rejects: (account.tally.rejected > 0).then(|| journal.rejects[account.rejects].path().to_owned()),
        };
        Self {
            ending,
            dry_run,
            total: journal.total,
            seconds: elapsed,
            orders_per_s: journal.total.accepted as f64 / elapsed,
            files: journal.accounts.iter().zip(resumed).map(file).collect(),
        }
    }
}
