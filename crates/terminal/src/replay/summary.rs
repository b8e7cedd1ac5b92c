//! What a run has come to, for people.

use std::fmt::Write;

use forebay_replay::{Counts, DeadRecord, Ending, Fates, FileSummary, LineSpan, RejectedRecord, Summary, Tally};

use super::report;
use crate::text::grouped;

/// What a replay has come to. `follows` says whether the files were followed.
pub fn summary_text(summary: &Summary, follows: bool) -> String {
    let (mut out, of) = (String::new(), summary.of.as_str());
    for file in &summary.files {
        // Writing into a String cannot fail.
        let _ = writeln!(out, "{}", file_text(file, summary));
    }
    if summary.files.len() > 1 {
        let mut all = Counts::default();
        summary.files.iter().for_each(|file| all += file.all_runs);
        let is_all = summary.files.iter().all(|file| file.resumed_behind == 0);
        let in_all = if is_all { String::new() } else { format!(", {}", in_all(all)) };
        let _ = writeln!(out, "All files: {}{in_all}", counts(&summary.total, summary));
        if let Some(fates) = &summary.fates {
            let _ = writeln!(out, "  {}", fates_text(fates));
        }
    }
    if let Some(report) = &summary.report {
        out.push_str(&report::text(report, summary.of));
    }
    let _ = write!(out, "{:.1} s, {} {of}/s", summary.seconds, grouped(summary.records_per_s.round() as u64));
    if summary.total.retries > 0 {
        let _ = write!(out, ", {} requests sent again", grouped(summary.total.retries));
    }
    if summary.total.resent_lines > 0 {
        let _ = write!(
            out,
            " ({} {of} of unknown fate among them; only orders without order_id and timestamp can be stored twice by that)",
            grouped(summary.total.resent_lines)
        );
    }
    out.push_str(if follows { FOLLOWED } else { ending_text(summary) });
    out
}

/// Whatever has ended it.
const FOLLOWED: &str = "\nNot followed any more: the same command goes on from here.";

/// What is to be done, where something is.
fn ending_text(summary: &Summary) -> &'static str {
    let can_resume = summary.files.iter().all(|file| file.can_resume);
    match (summary.ending, can_resume) {
        (Ending::Interrupted, true) => "\nInterrupted: the same command with --resume goes on from here.",
        (Ending::Undelivered, true) => {
            "\nNot everything was delivered: the same command with --resume goes on from here."
        }
        (Ending::Undecided, true) => {
            "\nEverything was accepted or rejected, but what became of all of them is not known: the same command with --resume asks again."
        }
        (Ending::Interrupted, false) if summary.dry_run => "\nInterrupted.",
        (Ending::Undelivered, false) if summary.dry_run => "\nNot everything was checked.",
        (Ending::Interrupted | Ending::Undelivered, false) => {
            "\nNot everything was delivered, and what cannot be read again cannot be resumed: send all of it again, which is harmless for what has an id."
        }
        (Ending::Undecided, false) => {
            "\nEverything was accepted or rejected, but what became of all of them is not known; their receipts are not kept for what cannot be read again."
        }
        (Ending::Accepted | Ending::Stored | Ending::RejectedOrDead, _) => "",
    }
}

/// Of all runs.
fn in_all(Counts { accepted, rejected }: Counts) -> String {
    format!("in all {} accepted, {} rejected", grouped(accepted), grouped(rejected))
}

fn file_text(file: &FileSummary, summary: &Summary) -> String {
    let mut text = format!("{}: {}", file.file, counts(&file.tally, summary));
    if file.resumed_behind > 0 {
        let behind = grouped(file.resumed_behind);
        let _ = write!(text, ", behind {behind} that an earlier run has sent; {}", in_all(file.all_runs));
    }
    if let Some(rejects) = &file.rejects {
        let _ = write!(text, ", see {}", rejects.display());
    }
    if !file.complete {
        text.push_str("; not sent to its end");
    }
    // A dry run tells them by what is wrong.
    if !summary.dry_run {
        text.extend(file.first_rejected.iter().map(rejected_text));
        let is_all = file.first_rejected.len() as u64 == file.tally.rejected;
        text.push_str(if is_all { "" } else { "\n  …" });
    }
    if let Some(fates) = &file.fates {
        let _ = write!(text, "\n  {}", fates_text(fates));
        for (reason, orders) in &fates.dead_by_reason {
            let _ = write!(text, "\n  dead, {reason}: {}", grouped(*orders));
            let first: Vec<&DeadRecord> = fates.first_dead.iter().filter(|dead| dead.reason == *reason).collect();
            text.extend(first.iter().map(|dead| dead_text(dead)));
            if (first.len() as u64) < *orders && !first.is_empty() {
                text.push_str("\n    …");
            }
        }
    }
    text
}

fn rejected_text(rejected: &RejectedRecord) -> String {
    let RejectedRecord { place, code, detail, .. } = rejected;
    format!("\n  rejected, {}: {code}: {detail}", place_text(place))
}

fn fates_text(fates: &Fates) -> String {
    let Fates { stored, duplicates, dead, undecided, .. } = fates;
    let mut text =
        format!("{} stored, {} stored before, {} dead", grouped(*stored), grouped(*duplicates), grouped(*dead));
    if *undecided > 0 {
        let _ = write!(text, ", {} of which it is not known", grouped(*undecided));
    }
    text
}

fn dead_text(dead: &DeadRecord) -> String {
    let order = dead
        .order_id
        .as_deref()
        .map_or_else(|| "an order without a readable id".to_owned(), |id| format!("order {id}"));
    let places: Vec<String> = dead.places.iter().map(place_text).collect();
    let places = match &places[..] {
        [] => String::new(),
        [only] => format!(", {only}"),
        // Which of them it is cannot be told by the id.
        several => format!(", one of {}", several.join(", ")),
    };
    format!("\n    {order}{places} (letter {})", dead.letter)
}

fn place_text(&LineSpan { line, lines }: &LineSpan) -> String {
    // They need not stand together.
    if lines > 1 { format!("{lines} lines from line {line} on") } else { format!("line {line}") }
}

/// Records, and lines where these are something else.
fn counts(tally: &Tally, summary: &Summary) -> String {
    let of = summary.of.as_str();
    let Tally { lines, accepted_lines, rejected_lines, passed_over_lines, records, accepted, rejected, .. } = *tally;
    let passed_over = match passed_over_lines {
        0 => String::new(),
        lines => format!(", {} lines passed over", grouped(lines)),
    };
    let accepted_as = if summary.dry_run { "valid" } else { "accepted" };
    if lines - passed_over_lines == records {
        return format!(
            "{} {of}, {} {accepted_as}, {} rejected{passed_over}",
            grouped(records),
            grouped(accepted),
            grouped(rejected)
        );
    }
    format!(
        "{} lines in {} {of}, {} lines in {} {of} {accepted_as}, {} lines in {} {of} rejected{passed_over}",
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
    use forebay_replay::RecordKind;

    use super::*;

    #[test]
    fn snapshot_of_endings() {
        let whole = Tally { lines: 1000, accepted_lines: 1000, records: 1000, accepted: 1000, ..Tally::default() };
        let partly = Tally {
            lines: 54_000,
            accepted_lines: 53_990,
            rejected_lines: 10,
            passed_over_lines: 0,
            records: 2500,
            accepted: 2498,
            rejected: 2,
            retries: 3,
            resent_lines: 120,
        };
        let rejected = || RejectedRecord {
            place: LineSpan { line: 948, lines: 1 },
            order_id: None,
            code: "malformed".to_owned(),
            detail: "the JSON is broken at column 6: expected value".to_owned(),
        };
        let file = |file, tally: Tally, complete| FileSummary {
            file: String::from(file),
            complete,
            can_resume: true,
            records_done: 0,
            resumed_behind: if complete { 0 } else { 40_000 },
            tally,
            all_runs: Counts { accepted: tally.accepted, rejected: tally.rejected },
            fates: None,
            first_rejected: (tally.rejected > 0).then(rejected).into_iter().collect(),
            rejects: (tally.rejected > 0).then(|| "orders.csv.rejects.ndjson".into()),
        };
        let summary = |ending, total, files| Summary {
            ending,
            of: RecordKind::Orders,
            dry_run: false,
            total,
            fates: None,
            report: None,
            seconds: 2.0,
            records_per_s: 1749.4,
            files,
        };
        let accepted = summary_text(&summary(Ending::Accepted, whole, vec![file("orders.ndjson", whole, true)]), false);
        let mut total = whole;
        total += partly;
        let files = vec![file("orders.ndjson", whole, true), file("orders.csv", partly, false)];
        let followed = summary_text(&summary(Ending::Interrupted, total, files.clone()), true);
        let interrupted = summary_text(&summary(Ending::Interrupted, total, files), false);
        let dead = |order: &str, lines: &[u64], letter: &str| DeadRecord {
            file: "orders.ndjson".to_owned(),
            places: lines.iter().map(|&line| LineSpan { line, lines: if line == 20 { 3 } else { 1 } }).collect(),
            order_id: Some(order.to_owned()),
            reason: "conflict".to_owned(),
            letter: letter.to_owned(),
        };
        let fates = Fates {
            stored: 900,
            duplicates: 90,
            dead: 10,
            dead_by_reason: [("conflict".to_owned(), 9), ("purged".to_owned(), 1)].into(),
            first_dead: vec![dead("A", &[7], "0/1"), dead("B", &[9, 20], "1/2"), dead("C", &[], "2/3")],
            undecided: 0,
        };
        let mut with_dead = file("orders.ndjson", whole, true);
        with_dead.fates = Some(fates);
        let decided = summary_text(&summary(Ending::RejectedOrDead, whole, vec![with_dead]), false);
        let mut undecided = file("orders.ndjson", whole, true);
        undecided.fates = Some(Fates { stored: 400, undecided: 600, ..Fates::default() });
        let undecided = summary_text(&summary(Ending::Undecided, whole, vec![undecided]), false);
        let mut stdin = file("standard input", partly, false);
        stdin.can_resume = false;
        let stdin = summary_text(&summary(Ending::Undelivered, partly, vec![stdin]), false);
        insta::assert_snapshot!([accepted, interrupted, followed, decided, undecided, stdin].join("\n\n"));
    }
}
