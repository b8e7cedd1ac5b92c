//! What ingest answers to a batch.

use std::time::Duration;

use forebay_api::{BatchReport, Problem};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// Nobody is made to wait longer at once.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

/// What an answer means for the lines that were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Every line is accepted or rejected.
    Settled(BatchReport),
    /// The first lines are settled, as many as the report says; the others can be sent after that time.
    CutShort { report: BatchReport, problem: Option<Problem>, after: Option<Duration> },
    /// The request is too large as a whole, and its first lines are settled, as many as the report says.
    TooLarge { report: BatchReport, problem: Option<Problem> },
    /// Sending it again would change nothing.
    Refused(String),
    /// There is no answer.
    Lost {
        what: String,
        /// Whether it was sent, so that nothing is known of what has become of it.
        was_sent: bool,
    },
}

impl Reply {
    /// Reads an answer.
    pub(crate) fn of(status: StatusCode, headers: &HeaderMap, bytes: &[u8]) -> Self {
        let report: Option<BatchReport> = serde_json::from_slice(bytes).ok();
        let problem: Option<Problem> = serde_json::from_slice(bytes).ok();
        match (status, report) {
            // With 422 none of its lines was accepted.
            (StatusCode::ACCEPTED | StatusCode::UNPROCESSABLE_ENTITY, Some(report)) => Self::Settled(report),
            (StatusCode::PAYLOAD_TOO_LARGE, report) => Self::TooLarge { report: report.unwrap_or_default(), problem },
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT, report) => {
                Self::CutShort { report: report.unwrap_or_default(), problem, after: after(headers) }
            }
            (status, report) if status.is_server_error() => {
                Self::CutShort { report: report.unwrap_or_default(), problem, after: after(headers) }
            }
            (StatusCode::NOT_FOUND, _) if problem.is_none() => {
                Self::Refused(format!("answer {status}: is this the address of Forebay's ingest?"))
            }
            _ => Self::Refused(match problem {
                Some(Problem { code, detail, .. }) => format!("answer {} {code}: {detail}", status.as_u16()),
                None => format!("answer {status}"),
            }),
        }
    }
}

fn after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use forebay_api::{Code, RejectedLine};

    use super::*;

    fn reply(status: u16, headers: &[(&'static str, &str)], body: &str) -> Reply {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Reply::of(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
    }

    fn problem(code: Code, report: BatchReport) -> String {
        serde_json::to_string(&Problem::new(code, "shard 1", report)).unwrap()
    }

    #[test]
    fn answers_mean_what_the_interface_says() {
        let line = RejectedLine { line: 2, order_id: None, code: "invalid".to_owned(), detail: "x".to_owned() };
        let report = BatchReport { accepted: 1, rejected: 1, errors: vec![line], ..BatchReport::default() };
        assert_eq!(reply(202, &[], &serde_json::to_string(&report).unwrap()), Reply::Settled(report));
        let none = BatchReport { rejected: 3, ..BatchReport::default() };
        assert_eq!(reply(422, &[], &problem(Code::Invalid, none.clone())), Reply::Settled(none));
        let cut = BatchReport { settled_lines: Some(7), accepted: 7, ..BatchReport::default() };
        let said = reply(503, &[("retry-after", "3")], &problem(Code::LogFull, cut.clone()));
        let Reply::CutShort { report, problem: Some(problem), after } = said else { panic!("{said:?}") };
        assert_eq!((report, problem.code, after), (cut, Code::LogFull, Some(Duration::from_secs(3))));
        assert!(
            matches!(reply(429, &[("retry-after", "9999")], ""), Reply::CutShort { after: Some(after), .. } if after == RETRY_AFTER_MAX)
        );
        assert!(matches!(reply(413, &[], "{}"), Reply::TooLarge { .. }));
    }

    #[test]
    fn what_is_not_ours_is_not_taken_for_success() {
        for (status, body) in [(200, "<html>"), (202, "<html>"), (401, ""), (404, ""), (400, "{}"), (422, "{}")] {
            assert!(matches!(reply(status, &[], body), Reply::Refused(_)), "{status}");
        }
        let body = problem(Code::Unauthenticated, BatchReport::default());
        assert_eq!(reply(401, &[], &body), Reply::Refused("answer 401 unauthenticated: shard 1".to_owned()));
    }
}
