//! What a run has come to, for people.

use std::fmt::Write;

use forebay_replay::{Ending, FileSummary, Summary, Tally};

use crate::text::grouped;

/// The summary for people.
pub(super) fn text(summary: &Summary) -> String {
    let mut out = String::new();
    for file in &summary.files {
        // Writing into a String cannot fail.
        let _ = writeln!(out, "{}", file_text(file, summary.dry_run));
    }
    if summary.files.len() > 1 {
        let _ = writeln!(out, "All files: {}", counts(&summary.total, summary.dry_run));
    }
    let _ = write!(out, "{:.1} s, {} orders/s", summary.seconds, grouped(summary.orders_per_s.round() as u64));
    if summary.total.retries > 0 {
        let _ = write!(out, ", {} requests sent again", grouped(summary.total.retries));
    }
    if summary.total.resent_lines > 0 {
        let _ = write!(
            out,
            " ({} orders of unknown fate among them; only those without order_id and timestamp can be stored twice by that)",
            grouped(summary.total.resent_lines)
        );
    }
    match summary.ending {
        Ending::Interrupted => out.push_str("\nInterrupted: the same command with --resume goes on from here."),
        Ending::Undelivered => {
            out.push_str("\nNot everything was delivered: the same command with --resume goes on from here.");
        }
        Ending::Accepted | Ending::SomeRejected => {}
    }
    out
}

fn file_text(file: &FileSummary, dry_run: bool) -> String {
    let mut text = format!("{}: {}", file.file, counts(&file.tally, dry_run));
    if file.resumed_behind > 0 {
        let _ = write!(text, ", behind {} that an earlier run has sent", grouped(file.resumed_behind));
    }
    if let Some(rejects) = &file.rejects {
        let _ = write!(text, ", see {}", rejects.display());
    }
    if !file.complete {
        text.push_str("; not sent to its end");
    }
    text
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
            file: String::from(file),
            complete,
            resumed_behind: if complete { 0 } else { 40_000 },
            tally,
            rejects: (tally.rejected > 0).then(|| "orders.csv.rejects.ndjson".into()),
        };
        let summary =
            |ending, total, files| Summary { ending, dry_run: false, total, seconds: 2.0, orders_per_s: 1749.4, files };
        let accepted = text(&summary(Ending::Accepted, whole, vec![file("orders.ndjson", whole, true)]));
        let mut total = whole;
        total += partly;
        let files = vec![file("orders.ndjson", whole, true), file("orders.csv", partly, false)];
        let interrupted = text(&summary(Ending::Interrupted, total, files));
        insta::assert_snapshot!(format!("{accepted}\n\n{interrupted}"));
    }
}
