//! What is told at the end of a run.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::grouped::grouped;
use crate::ledger::tally::Tally;
use crate::ledger::{Account, Ledger};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    /// Every record was accepted.
    Accepted,
    /// Every record was delivered, and some were rejected.
    SomeRejected,
    /// Something was not delivered.
    Undelivered,
    /// It was stopped before the end.
    Interrupted,
}

/// The summary, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct Summary<'a> {
    ending: Ending,
    dry_run: bool,
    #[serde(flatten)]
    total: Tally,
    seconds: f64,
    orders_per_s: f64,
    files: Vec<FileSummary<'a>>,
}

#[derive(Debug, Serialize)]
struct FileSummary<'a> {
    file: &'a str,
    complete: bool,
    /// How many records an earlier run had sent.
    resumed_behind: u64,
    #[serde(flatten)]
    tally: Tally,
    /// The rejects file, where there is something in it.
    rejects: Option<&'a Path>,
}

impl Ending {
    /// The exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Accepted => 0,
            Self::Undelivered => 1,
            Self::SomeRejected => 2,
            Self::Interrupted => 130,
        }
    }
}

impl<'a> Summary<'a> {
    /// Sums up the books.
    pub(crate) fn new(ledger: &'a Ledger, ending: Ending, dry_run: bool, resumed: &[u64]) -> Self {
        let elapsed = ledger.elapsed().max(Duration::from_micros(1)).as_secs_f64();
        let file = |(account, &resumed_behind): (&'a Account, &u64)| FileSummary {
            file: &account.name,
            complete: account.complete,
            resumed_behind,
            tally: account.tally,
            rejects: (account.tally.rejected > 0).then(|| ledger.rejects[account.rejects].path()),
        };
        Self {
            ending,
            dry_run,
            total: ledger.total,
            seconds: elapsed,
            orders_per_s: ledger.total.accepted as f64 / elapsed,
            files: ledger.accounts.iter().zip(resumed).map(file).collect(),
        }
    }

    /// The summary for people.
    pub(crate) fn to_text(&self) -> String {
        let mut out = String::new();
        for file in &self.files {
            // Writing into a String cannot fail.
            let _ = writeln!(out, "{}", file.to_text(self.dry_run));
        }
        if self.files.len() > 1 {
            let _ = writeln!(out, "All files: {}", counts(&self.total, self.dry_run));
        }
        let _ = write!(out, "{:.1} s, {} orders/s", self.seconds, grouped(self.orders_per_s.round() as u64));
        if self.total.retries > 0 {
            let _ = write!(out, ", {} requests sent again", grouped(self.total.retries));
        }
        if self.total.resent_lines > 0 {
            let _ = write!(
                out,
                " ({} orders of unknown fate among them; only those without order_id and timestamp can be stored twice by that)",
                grouped(self.total.resent_lines)
            );
        }
        match self.ending {
            Ending::Interrupted => out.push_str("\nInterrupted: the same command with --resume goes on from here."),
            Ending::Undelivered => {
                out.push_str("\nNot everything was delivered: the same command with --resume goes on from here.");
            }
            Ending::Accepted | Ending::SomeRejected => {}
        }
        out
    }
}

impl FileSummary<'_> {
    fn to_text(&self, dry_run: bool) -> String {
        let mut text = format!("{}: {}", self.file, counts(&self.tally, dry_run));
        if self.resumed_behind > 0 {
            let _ = write!(text, ", behind {} that an earlier run has sent", grouped(self.resumed_behind));
        }
        if let Some(rejects) = self.rejects {
            let _ = write!(text, ", see {}", rejects.display());
        }
        if !self.complete {
            text.push_str("; not sent to its end");
        }
        text
    }
}

/// Orders, and lines where these are something else.
fn counts(tally: &Tally, dry_run: bool) -> String {
    let Tally { lines, accepted_lines, rejected_lines, records, accepted, rejected, .. } = *tally;
    let accepted_as = if dry_run { "valid" } else { "accepted" };
    if lines == records {
        return format!(
            "{} orders, {} {accepted_as}, {} rejected",
            grouped(records),
            grouped(accepted),
            grouped(rejected)
        );
    }
    format!(
        "{} lines in {} orders, {} lines in {} orders {accepted_as}, {} lines in {} orders rejected",
        grouped(lines),
        grouped(records),
        grouped(accepted_lines),
        grouped(accepted),
        grouped(rejected_lines),
        grouped(rejected),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshot_of_endings() {
        let whole = Tally { lines: 1000, accepted_lines: 1000, records: 1000, accepted: 1000, ..Tally::default() };
        let partly = Tally {
            lines: 54_000,
            accepted_lines: 53_990,
            rejected_lines: 10,
            records: 2500,
            accepted: 2498,
            rejected: 2,
            retries: 3,
            resent_lines: 120,
        };
        let file = |file, tally: Tally, complete| FileSummary {
            file,
            complete,
            resumed_behind: if complete { 0 } else { 40_000 },
            tally,
            rejects: (tally.rejected > 0).then(|| Path::new("orders.csv.rejects.ndjson")),
        };
        let summary =
            |ending, total, files| Summary { ending, dry_run: false, total, seconds: 2.0, orders_per_s: 1749.4, files };
        let accepted = summary(Ending::Accepted, whole, vec![file("orders.ndjson", whole, true)]).to_text();
        let mut total = whole;
        total += partly;
        let files = vec![file("orders.ndjson", whole, true), file("orders.csv", partly, false)];
        let interrupted = summary(Ending::Interrupted, total, files).to_text();
        insta::assert_snapshot!(format!("{accepted}\n\n{interrupted}"));
    }
}
