//! What a run has come to.

use std::path::PathBuf;
use std::time::Duration;

use forebay_client::RecordKind;
use serde::{Deserialize, Serialize};

use super::rejects::Reject;
use super::tally::{Counts, Tally};
use super::{Account, Journal};
use crate::chunk::LineSpan;
use crate::fate::Fates;
use crate::report::Report;
use crate::settings::Settings;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Every record was accepted; what becomes of them was not asked.
    Accepted,
    /// Every record is stored, now or before.
    Stored,
    /// Every record was delivered, and some were rejected or are dead.
    RejectedOrDead,
    /// Something was not delivered.
    Undelivered,
    /// Every record was delivered, and it is not known what became of all of them.
    Undecided,
    /// It was stopped before the end.
    Interrupted,
}

/// What a run has come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How it ended.
    pub ending: Ending,
    /// What its records are.
    pub of: RecordKind,
    /// Whether records were only checked.
    pub dry_run: bool,
    /// Figures of all files, of this run.
    #[serde(flatten)]
    pub total: Tally,
    /// What became of those that were accepted, where that was asked.
    pub fates: Option<Fates>,
    /// What a dry run has found.
    pub report: Option<Report>,
    /// How long it took.
    pub seconds: f64,
    /// How many were accepted a second.
    pub records_per_s: f64,
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
    /// Whether a later run can go on where this one has ended: not with standard input and pipes, which cannot be read again.
    pub can_resume: bool,
    /// How many records an earlier run had sent.
    pub resumed_behind: u64,
    /// How many leading records are sent, by all runs.
    pub records_done: u64,
    /// Its figures, of this run.
    #[serde(flatten)]
    pub tally: Tally,
    /// What became of the file's records over all runs.
    pub all_runs: Counts,
    /// What became of those that were accepted, where that was asked.
    pub fates: Option<Fates>,
    /// The first records that this run has rejected; all of them are in the rejects file.
    pub first_rejected: Vec<RejectedRecord>,
    /// The rejects file, where there is something in it.
    pub rejects: Option<PathBuf>,
}

/// A record that was rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedRecord {
    /// Where it stands.
    pub place: LineSpan,
    /// Its order id, where one can be read.
    pub order_id: Option<String>,
    /// The kind of fault.
    pub code: String,
    /// What is wrong.
    pub detail: String,
}

impl RejectedRecord {
    pub(crate) fn of(reject: &Reject) -> Self {
        let Reject { place, order_id, code, detail, .. } = reject;
        Self { place: *place, order_id: order_id.clone(), code: code.clone(), detail: detail.clone() }
    }
}

impl Summary {
    /// Sums up a journal. `places` are those of the dead orders of each file, where it was asked what became of them.
    pub(crate) fn new(
        journal: &Journal,
        ending: Ending,
        settings: &Settings,
        resumed: &[u64],
        places: Option<&[Vec<Vec<LineSpan>>]>,
    ) -> Self {
        let elapsed = journal.elapsed().max(Duration::from_micros(1)).as_secs_f64();
        let fates = |number: usize, account: &Account| {
            let places = &places?[number];
            Some(account.known.fates(&account.name, places, account.uncounted.accepted))
        };
        let file = |(number, (account, &resumed_behind)): (usize, (&Account, &u64))| FileSummary {
            file: account.name.clone(),
            complete: account.complete,
            can_resume: account.saved.is_some(),
            resumed_behind,
            records_done: account.saved.as_ref().map_or(0, |saved| saved.records),
            tally: account.tally,
            all_runs: account.all_runs(),
            fates: fates(number, account),
            first_rejected: account.first_rejected.clone(),
            rejects: (account.all_runs().rejected > 0).then(|| journal.rejects[account.rejects].path().to_owned()),
        };
        let files: Vec<_> = journal.accounts.iter().zip(resumed).enumerate().map(file).collect();
        let fates = places.map(|_| {
            files.iter().filter_map(|file| file.fates.as_ref()).fold(Fates::default(), |mut sum, of| {
                sum.add(of);
                sum
            })
        });
        Self {
            ending,
            of: settings.kind,
            dry_run: settings.dry_run,
            total: journal.total,
            fates,
            report: None,
            seconds: elapsed,
            records_per_s: journal.total.accepted as f64 / elapsed,
            files,
        }
    }
}
