//! What a dry run has found, for people.

use std::fmt::Write;

use forebay_replay::report::faults::FaultGroup;
use forebay_replay::report::{CurrencyReport, TwiceReport};
use forebay_replay::{RecordKind, Report};

use crate::text::grouped;

/// How many kinds of faults are told with an example and what helps.
const FAULTS_TOLD: usize = 3;

/// The report, one finding on each line.
pub(super) fn text(report: &Report, of: RecordKind) -> String {
    let mut out = String::new();
    if !report.kinds.is_empty() {
        let kinds: Vec<String> =
            report.kinds.iter().map(|(kind, events)| format!("{kind} {}", grouped(*events))).collect();
        let _ = writeln!(out, "{}", kinds.join(", "));
    }
    for (currency, sums) in &report.currencies {
        // Writing into a String cannot fail.
        let _ = writeln!(out, "{}", currency_text(currency, sums));
    }
    if let (Some(first), Some(last)) = (&report.first, &report.last) {
        let _ = writeln!(out, "From {first} to {last}");
    }
    if report.without_id > 0 {
        let _ = writeln!(out, "{} orders have no id and get one", grouped(report.without_id));
    }
    out.push_str(&twice_text(&report.twice, of));
    for (number, fault) in report.faults.iter().enumerate() {
        out.push_str(&fault_text(fault, number < FAULTS_TOLD));
    }
    out
}

fn currency_text(currency: &str, sums: &CurrencyReport) -> String {
    let CurrencyReport { sales, returns, gross, returned } = sums;
    let name = if currency == "XXX" { "The system's currency" } else { currency };
    let mut text = format!("{name}: {} sales, {gross} in minor units", grouped(*sales));
    if *returns > 0 {
        let _ = write!(text, "; {} returns, {returned}; net {}", grouped(*returns), gross + returned);
    }
    text
}

fn twice_text(twice: &TwiceReport, of: RecordKind) -> String {
    let TwiceReport { same, conflicts, examples } = twice;
    let mut text = String::new();
    let (whose, of) = (if of == RecordKind::Events { "their order" } else { "their customer" }, of.as_str());
    if *same > 0 {
        let _ = writeln!(text, "{} {of} stand there once more as they are: they are stored once", grouped(*same));
    }
    if *conflicts > 0 {
        let _ = writeln!(
            text,
            "{} {of} have an id that another one of {whose} has, with another content: they would be dead letters; lines of one order that stand apart need lines_apart = … in the map",
            grouped(*conflicts)
        );
    }
    for example in examples {
        let _ = writeln!(text, "  {}, line {}: {}", example.file, example.line, example.detail);
    }
    text
}

fn fault_text(fault: &FaultGroup, is_told: bool) -> String {
    let FaultGroup { code, what, records, examples, hint } = fault;
    let mut text = format!("Rejected, {code}: {} × {what}\n", grouped(*records));
    if is_told {
        for example in examples {
            let _ = writeln!(text, "  {}, line {}: {}", example.file, example.line, example.detail);
        }
        if let Some(hint) = hint {
            let _ = writeln!(text, "  For the map: {hint}");
        }
    }
    text
}
