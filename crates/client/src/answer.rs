//! What an answer means.

use std::fmt;
use std::time::Duration;

use forebay_api::{Code, Problem};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::de::DeserializeOwned;

use crate::service::{Lost, Response};

/// Nobody is made to wait longer at once.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

/// What an answer means.
#[derive(Debug)]
pub enum Answer<T> {
    /// What was asked for.
    Given(T),
    /// It cannot be had now. The same can be asked again after that time, where one is said.
    Later(Refusal, Option<Duration>),
    /// Asking again would change nothing.
    Refused(Refusal),
    /// There is none.
    Lost(Lost),
}

/// What a service says instead of giving what was asked for.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// What is wrong; nothing where it is not Forebay that answers.
    pub problem: Option<Box<Problem>>,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Asking again would change nothing.
    #[error("answer {0}")]
    Refused(Refusal),
    /// For too long it could not be had.
    #[error("answer {0}; giving up")]
    NotNow(Refusal),
    /// For too long there was no answer.
    #[error("{0}; giving up")]
    Lost(Lost),
}

impl<T: DeserializeOwned> Answer<T> {
    pub(crate) fn of(response: Result<Response, Lost>) -> Self {
        let response = match response {
            Ok(response) => response,
            Err(lost) => return Self::Lost(lost),
        };
        match serde_json::from_slice(&response.body) {
            Ok(given) if response.status.is_success() => Self::Given(given),
            _ if may_pass(response.status) => Self::Later(Refusal::of(&response), after(&response.headers)),
            _ => Self::Refused(Refusal::of(&response)),
        }
    }
}

/// Whether a refusal with that status may be none the next time.
pub(crate) fn may_pass(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

/// When to ask again, as the answer says.
pub(crate) fn after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

impl Refusal {
    pub(crate) fn of(response: &Response) -> Self {
        let problem = serde_json::from_slice(&response.body).ok();
        Self { status: response.status.as_u16(), problem: problem.map(Box::new) }
    }

    /// The code of the problem.
    pub fn code(&self) -> Option<Code> {
        self.problem.as_ref().map(|problem| problem.code)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Some(problem) => write!(f, "{} {}: {}", self.status, problem.code, problem.detail),
            None => write!(f, "{}, and not as Forebay does: is this its address?", self.status),
        }
    }
}

#[cfg(test)]
mod tests {
    use forebay_api::ReceiptReport;
    use forebay_api::problem::NoMembers;

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer<ReceiptReport> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let status = StatusCode::from_u16(status).unwrap();
        Answer::of(Ok(Response { status, headers, body: body.to_owned().into() }))
    }

    #[test]
    fn answers_mean_what_the_interface_says() {
        let report = r#"{"state":"stored","accepted":3,"stored":2,"duplicate":1,"dead_in_all":0,"dead_by_reason":{},"dead":[],"derived":false}"#;
        assert!(matches!(answer(200, &[], report), Answer::Given(report) if report.duplicate == 1));
        let problem = |code| serde_json::to_string(&Problem::new(code, "why", NoMembers {})).unwrap();
        let said = answer(503, &[("retry-after", "3")], &problem(Code::ShardUnavailable));
        let Answer::Later(refusal, Some(after)) = said else { panic!("{said:?}") };
        assert_eq!((refusal.code(), after), (Some(Code::ShardUnavailable), Duration::from_secs(3)));
        assert_eq!(refusal.to_string(), "503 shard_unavailable: why");
        assert!(matches!(answer(429, &[("retry-after", "9999")], ""), Answer::Later(_, Some(RETRY_AFTER_MAX))));
        assert!(matches!(answer(502, &[], "<html>"), Answer::Later(_, None)));
        for (status, body) in [
            (410, problem(Code::ReceiptGone)),
            (403, problem(Code::Forbidden)),
            (404, String::new()),
            (200, "<html>".to_owned()),
        ] {
            assert!(matches!(answer(status, &[], &body), Answer::Refused(_)), "{status}");
        }
    }
}
