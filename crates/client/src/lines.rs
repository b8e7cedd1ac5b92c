//! Which lines are sent next, until each is accepted or rejected.
//!
//! A request that was cut short says how many leading lines are settled, and sending goes on behind them. One that is too large is sent in
//! halves. One without an answer is sent again as a whole; what was stored of it is recognised by the ids of its orders.

use std::ops::Range;
use std::time::Duration;

use forebay_api::{BatchReport, Code, RejectedLine};
use reqwest::StatusCode;

use crate::answer::Refusal;
use crate::batch::BatchAnswer;
use crate::service::Lost;

/// Lines that are to be sent, counted from 0.
#[derive(Clone, Debug)]
pub struct Lines {
    rest: Range<usize>,
    at_once: usize,
}

/// What an answer has settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Which lines, counted as those of [`Lines`]; may be none.
    pub lines: Range<usize>,
    /// What became of them. Its lines are counted from 1, from the first of these on.
    pub report: BatchReport,
}

/// How to go on.
#[derive(Debug)]
pub enum Then {
    /// With the next lines.
    Next,
    /// With fewer of the same.
    Smaller,
    /// With what is left, after that time, where one is said.
    Later(Refusal, Option<Duration>),
    /// Not at all: sending the rest again would change nothing.
    Stop(Refusal),
    /// With all of it again, since nothing is known of it.
    Lost(Lost),
}

impl Lines {
    /// These lines, with the most that go into one request.
    pub fn new(lines: Range<usize>, at_once: usize) -> Self {
        Self { rest: lines, at_once: at_once.max(1) }
    }

    /// What to send now; `None` where every line is settled.
    pub fn next(&self) -> Option<Range<usize>> {
        let Range { start, end } = self.rest;
        (start < end).then(|| start..end.min(start.saturating_add(self.at_once)))
    }

    /// Takes the answer to what [`Lines::next`] has said. A report that tells of more lines than it settles is none: nothing is settled by it.
    pub fn take(&mut self, answer: BatchAnswer) -> (Settled, Then) {
        let sent = self.next().unwrap_or(self.rest.end..self.rest.end);
        let lines = sent.len();
        match answer {
            BatchAnswer::Settled(report) if is_of(&report, lines) => (self.settle(lines, report), Then::Next),
            BatchAnswer::Settled(_) => self.stop(Refusal { status: StatusCode::ACCEPTED.as_u16(), problem: None }),
            BatchAnswer::CutShort(report, refusal, after) => match settled_of(&report, lines) {
                Some(settled) => (self.settle(settled, report), Then::Later(refusal, after)),
                None => self.stop(Refusal { problem: None, ..refusal }),
            },
            BatchAnswer::TooLarge(report, refusal) => {
                let settled = match settled_of(&report, lines) {
                    None => return self.stop(Refusal { problem: None, ..refusal }),
                    Some(0) if lines == 1 => self.settle(1, too_large(&refusal)),
                    Some(0) => {
                        self.at_once = lines.div_ceil(2);
                        self.settle(0, report)
                    }
                    Some(settled) => self.settle(settled, report),
                };
                (settled, Then::Smaller)
            }
            BatchAnswer::Refused(refusal) => self.stop(refusal),
            BatchAnswer::Lost(lost) => (self.settle(0, BatchReport::default()), Then::Lost(lost)),
        }
    }

    fn stop(&mut self, refusal: Refusal) -> (Settled, Then) {
        (self.settle(0, BatchReport::default()), Then::Stop(refusal))
    }

    fn settle(&mut self, lines: usize, report: BatchReport) -> Settled {
        let start = self.rest.start;
        self.rest.start += lines;
        Settled { lines: start..self.rest.start, report }
    }
}

/// How many of `sent` lines an answer settles that was cut short; `None` where it cannot be one to them.
fn settled_of(report: &BatchReport, sent: usize) -> Option<usize> {
    let settled = usize::try_from(report.settled_lines.unwrap_or_default()).ok()?;
    (settled <= sent && is_of(report, settled)).then_some(settled)
}

/// Whether a report can be one of that many lines: each was accepted, rejected or blank.
fn is_of(report: &BatchReport, lines: usize) -> bool {
    let (lines, told) = (lines as u64, report.errors.len() as u64);
    let decided = report.accepted.checked_add(report.rejected);
    decided.is_some_and(|decided| decided <= lines)
        && told <= report.rejected
        && report.errors.iter().all(|error| (1..=lines).contains(&error.line))
}

/// What a request of one line comes to that is too large as a whole.
fn too_large(refusal: &Refusal) -> BatchReport {
    let said = refusal.problem.as_ref().map(|problem| problem.detail.clone());
    let detail = said.unwrap_or_else(|| "the request is too large".to_owned());
    let line = RejectedLine { line: 1, order_id: None, code: Code::TooLarge.to_string(), detail };
    BatchReport { rejected: 1, errors: vec![line], ..BatchReport::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16) -> Refusal {
        Refusal { status, problem: None }
    }

    fn settled(lines: u64) -> BatchReport {
        BatchReport { settled_lines: Some(lines), accepted: lines, ..BatchReport::default() }
    }

    #[test]
    fn sending_goes_on_behind_what_is_settled() {
        let mut lines = Lines::new(2..12, 100);
        assert_eq!(lines.next(), Some(2..12));
        let (first, then) = lines.take(BatchAnswer::CutShort(settled(3), refusal(503), Some(Duration::ZERO)));
        assert!(first.lines == (2..5) && matches!(then, Then::Later(_, Some(Duration::ZERO))));
        let (rest, _) = lines.take(BatchAnswer::CutShort(settled(7), refusal(503), None));
        assert_eq!((rest.lines, lines.next()), (5..12, None));
    }

    #[test]
    fn a_report_of_more_lines_than_it_settles_is_not_believed() {
        let line = |line| RejectedLine { line, order_id: None, code: String::new(), detail: String::new() };
        let counts = |accepted, rejected| BatchReport { accepted, rejected, ..BatchReport::default() };
        let told = |rejected, at| BatchReport { errors: vec![line(at)], ..counts(0, rejected) };
        for report in [counts(5, 1), counts(u64::MAX, 2), told(0, 1), told(1, 0), told(1, 6)] {
            for cut_short in [false, true] {
                let mut lines = Lines::new(2..7, 100);
                let report = BatchReport { settled_lines: cut_short.then_some(5), ..report.clone() };
                let answer = if cut_short {
                    BatchAnswer::CutShort(report.clone(), refusal(503), None)
                } else {
                    BatchAnswer::Settled(report.clone())
                };
                let (settled, then) = lines.take(answer);
                assert!(settled.lines.is_empty() && matches!(then, Then::Stop(_)), "{report:?}");
                assert_eq!(lines.next(), Some(2..7));
            }
        }
        let mut lines = Lines::new(2..7, 100);
        let (_, then) = lines.take(BatchAnswer::CutShort(settled(6), refusal(503), None));
        assert!(matches!(then, Then::Stop(_)), "more than was sent is settled");
    }

    #[test]
    fn what_is_too_large_is_halved_down_to_one_line_and_that_is_rejected() {
        let mut lines = Lines::new(0..5, 100);
        let mut sent = Vec::new();
        while let Some(next) = lines.next() {
            sent.push(next.clone());
            let answer = if next.contains(&2) {
                BatchAnswer::TooLarge(BatchReport::default(), refusal(413))
            } else {
                BatchAnswer::Settled(BatchReport::default())
            };
            let (settled, _) = lines.take(answer);
            assert_eq!(settled.report.rejected == 1, settled.lines == (2..3));
        }
        assert_eq!(sent, [0..5, 0..3, 0..2, 2..4, 2..3, 3..4, 4..5]);
    }

    #[test]
    fn without_an_answer_all_is_sent_again() {
        let mut lines = Lines::new(0..5, 2);
        let (settled, then) = lines.take(BatchAnswer::Refused(refusal(401)));
        assert!(settled.lines.is_empty() && matches!(then, Then::Stop(_)));
        assert_eq!(lines.next(), Some(0..2));
    }
}
