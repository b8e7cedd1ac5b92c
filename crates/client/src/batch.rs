//! Many records in one request, and what the answer means for its lines.

use std::time::Duration;

use bytes::Bytes;
use forebay_api::BatchReport;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use crate::answer::{Refusal, after, may_pass};
use crate::service::{Lost, Response};

/// What the records of a batch are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// Orders.
    #[default]
    Orders,
    /// What happened to orders.
    Events,
}

/// Records as one request: NDJSON, a line each.
#[derive(Clone, Debug)]
pub struct Batch<'s> {
    /// What they are.
    pub kind: RecordKind,
    /// The lines.
    pub lines: Bytes,
    /// What they are a part of: an order without an id gets the same one each time that its line of this source is sent (`Idempotency-Key`).
    pub source: Option<&'s str>,
    /// Which line of it the first one is, counted from 1.
    pub first_line: u64,
}

/// What an answer means for the lines that were sent.
#[derive(Debug)]
pub enum BatchAnswer {
    /// Every line is accepted or rejected.
    Settled(BatchReport),
    /// The first lines are settled, as many as the report says; the others can be sent after that time.
    CutShort(BatchReport, Refusal, Option<Duration>),
    /// The request is too large as a whole, and its first lines are settled, as many as the report says.
    TooLarge(BatchReport, Refusal),
    /// Sending it again would change nothing.
    Refused(Refusal),
    /// There is no answer.
    Lost(Lost),
}

impl RecordKind {
    /// Several of them, as messages say it: `orders`, `events`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Events => "events",
        }
    }
}

impl BatchAnswer {
    pub(crate) fn of(response: Result<Response, Lost>) -> Self {
        let response = match response {
            Ok(response) => response,
            Err(lost) => return Self::Lost(lost),
        };
        let report: Option<BatchReport> = serde_json::from_slice(&response.body).ok();
        let refusal = Refusal::of(&response);
        match (response.status, report) {
            // With 422 none of its lines was accepted.
            (StatusCode::ACCEPTED | StatusCode::UNPROCESSABLE_ENTITY, Some(report)) => Self::Settled(report),
            (StatusCode::PAYLOAD_TOO_LARGE, report) => Self::TooLarge(report.unwrap_or_default(), refusal),
            (status, report) if may_pass(status) => {
                Self::CutShort(report.unwrap_or_default(), refusal, after(&response.headers))
            }
            _ => Self::Refused(refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use forebay_api::{Code, Problem, RejectedLine};

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> BatchAnswer {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let status = StatusCode::from_u16(status).unwrap();
        BatchAnswer::of(Ok(Response { status, headers, body: body.to_owned().into() }))
    }

    fn problem(code: Code, report: BatchReport) -> String {
        serde_json::to_string(&Problem::new(code, "shard 1", report)).unwrap()
    }

    #[test]
    fn answers_mean_what_the_interface_says() {
        let line = RejectedLine { line: 2, order_id: None, code: "invalid".to_owned(), detail: "x".to_owned() };
        let report = BatchReport { accepted: 1, rejected: 1, errors: vec![line], ..BatchReport::default() };
        let said = answer(202, &[], &serde_json::to_string(&report).unwrap());
        assert!(matches!(said, BatchAnswer::Settled(said) if said == report));
        let none = BatchReport { rejected: 3, ..BatchReport::default() };
        let said = answer(422, &[], &problem(Code::Invalid, none.clone()));
        assert!(matches!(said, BatchAnswer::Settled(said) if said == none));
        let cut = BatchReport { settled_lines: Some(7), accepted: 7, ..BatchReport::default() };
        let said = answer(503, &[("retry-after", "3")], &problem(Code::LogFull, cut.clone()));
        let BatchAnswer::CutShort(report, refusal, after) = said else { panic!("{said:?}") };
        assert_eq!((report, refusal.code(), after), (cut, Some(Code::LogFull), Some(Duration::from_secs(3))));
        assert!(
            matches!(answer(429, &[], ""), BatchAnswer::CutShort(report, _, None) if report.settled_lines.is_none())
        );
        assert!(matches!(answer(413, &[], "{}"), BatchAnswer::TooLarge(..)));
    }

    #[test]
    fn what_is_not_ours_is_not_taken_for_success() {
        for (status, body) in [(200, "<html>"), (202, "<html>"), (401, ""), (404, ""), (400, "{}"), (422, "{}")] {
            assert!(matches!(answer(status, &[], body), BatchAnswer::Refused(_)), "{status}");
        }
    }
}
