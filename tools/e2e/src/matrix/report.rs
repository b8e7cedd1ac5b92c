//! The verdict on a case, and the table of all.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};

use super::case::Case;
use crate::load::ledger::Counts;

/// What came of one run of a case.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which case.
    pub case: Case,
    /// By which it can be repeated.
    pub seed: u64,
    /// How many orders came off how.
    pub orders: Counts,
    /// How many faults were done.
    pub injected: usize,
    /// Accepted orders that are neither stored nor dead.
    pub lost: usize,
    /// Orders that are stored more than once.
    pub doubled: usize,
    /// How long the log took to drain after the faults were healed.
    pub drained: Option<Duration>,
    /// What was wrong, as sentences. Nothing, where the case has passed.
    pub findings: Vec<String>,
    /// Where the logs and the ledger of a run that has not passed are kept.
    pub kept: Option<PathBuf>,
}

impl Report {
    /// The report on a case that could not be run.
    pub fn not_run(case: Case, seed: u64, error: &anyhow::Error) -> Self {
        let findings = vec![format!("it could not be run: {error:#}")];
        let orders = Counts::default();
        Self { case, seed, orders, injected: 0, lost: 0, doubled: 0, drained: None, findings, kept: None }
    }

    /// Whether everything held.
    pub fn has_passed(&self) -> bool {
        self.findings.is_empty()
    }
}

/// A line of the table.
#[derive(Default)]
struct Line {
    runs: usize,
    failed: usize,
    figures: [usize; 7],
    slowest_drain: Duration,
}

/// A line for each case, in the order of names, and one for all of them.
pub fn table(reports: &[Report]) -> Table {
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    let mut all = Line::default();
    for report in reports {
        lines.entry(report.case.name()).or_default().add(report);
        all.add(report);
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "case",
        "runs",
        "failed",
        "sent",
        "accepted",
        "refused",
        "unknown",
        "faults",
        "lost",
        "doubled",
        "slowest drain",
    ]);
    for (name, line) in lines.into_iter().chain([("all".to_owned(), all)]) {
        let numbers = [line.runs, line.failed].into_iter().chain(line.figures).map(|number| number.to_string());
        let drain = format!("{:.1} s", line.slowest_drain.as_secs_f64());
        table.add_row([name].into_iter().chain(numbers).chain([drain]));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

impl Line {
    fn add(&mut self, report: &Report) {
        let Counts { sent, accepted, refused, unknown } = report.orders;
        self.runs += 1;
        self.failed += usize::from(!report.has_passed());
        let figures = [sent, accepted, refused, unknown, report.injected, report.lost, report.doubled];
        for (sum, figure) in self.figures.iter_mut().zip(figures) {
            *sum += figure;
        }
        self.slowest_drain = self.slowest_drain.max(report.drained.unwrap_or_default());
    }
}
