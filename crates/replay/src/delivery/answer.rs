//! What ingest answers to a batch.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;

/// Nobody is made to wait longer at once.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

/// The body of an answer: a batch's figures, a problem (RFC 9457), or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Body {
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    /// The first of the rejected lines.
    #[serde(deserialize_with = "lines_only")]
    pub(crate) errors: Vec<LineError>,
    pub(crate) settled_lines: u64,
    pub(crate) code: String,
    pub(crate) detail: String,
}

/// A line that was rejected.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct LineError {
    /// Counted from 1.
    pub(crate) line: u64,
    #[serde(default)]
    pub(crate) order_id: Option<String>,
    pub(crate) code: String,
    pub(crate) detail: String,
}

/// What an answer means for the lines that were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Every line is accepted or rejected.
    Settled(Body),
    /// The first `settled_lines` lines are; the others can be sent after that time.
    CutShort { body: Body, after: Option<Duration> },
    /// The request is too large as a whole, and its first `settled_lines` lines are settled.
    TooLarge(Body),
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
        let parsed: Option<Body> = serde_json::from_slice(bytes).ok();
        let is_ours = parsed.is_some();
        let body = parsed.unwrap_or_default();
        match status {
            StatusCode::ACCEPTED if is_ours => Self::Settled(body),
            // None of its lines was accepted.
            StatusCode::UNPROCESSABLE_ENTITY if body.rejected > 0 || body.code == "invalid" => Self::Settled(body),
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge(body),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                Self::CutShort { body, after: after(headers) }
            }
            _ if status.is_server_error() => Self::CutShort { body, after: after(headers) },
            _ => Self::Refused(describe(status, &body)),
        }
    }
}

/// The answer in a few words.
pub(crate) fn describe(status: StatusCode, body: &Body) -> String {
    match (body.code.as_str(), body.detail.as_str()) {
        ("", _) if status == StatusCode::NOT_FOUND => {
            format!("answer {status}: is this the address of Forebay's ingest?")
        }
        ("", _) => format!("answer {status}"),
        (code, "") => format!("answer {} {code}", status.as_u16()),
        (code, detail) => format!("answer {} {code}: {detail}", status.as_u16()),
    }
}

/// A problem's `errors` may also be the faults of a single order, which have no lines.
fn lines_only<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<LineError>, D::Error> {
    let errors = Vec::<serde_json::Value>::deserialize(deserializer)?;
    Ok(errors.into_iter().filter_map(|error| serde_json::from_value(error).ok()).collect())
}

fn after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, headers: &[(&'static str, &str)], body: &str) -> Reply {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Reply::of(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
    }

    #[test]
    fn answers_mean_what_the_contract_says() {
        let settled = r#"{"accepted":1,"rejected":1,"errors":[{"line":2,"order_id":null,"code":"invalid","detail":"x"}],"receipt":"r"}"#;
        let Reply::Settled(body) = reply(202, &[], settled) else { panic!() };
        assert_eq!((body.accepted, body.rejected, body.errors[0].line), (1, 1, 2));
        let none =
            r#"{"type":"urn:x","status":422,"code":"invalid","detail":"none","accepted":0,"rejected":3,"errors":[]}"#;
        assert!(matches!(reply(422, &[], none), Reply::Settled(body) if body.rejected == 3));
        let cut = r#"{"code":"log_full","detail":"shard 1","settled_lines":7,"accepted":7}"#;
        let Reply::CutShort { body, after } = reply(503, &[("retry-after", "3")], cut) else { panic!() };
        assert_eq!((body.settled_lines, body.accepted, after), (7, 7, Some(Duration::from_secs(3))));
        assert!(
            matches!(reply(429, &[("retry-after", "9999")], ""), Reply::CutShort { after: Some(after), .. } if after == RETRY_AFTER_MAX)
        );
        assert!(matches!(reply(413, &[], "{}"), Reply::TooLarge(_)));
    }

    #[test]
    fn what_is_not_ours_is_not_taken_for_success() {
        for (status, body) in [(200, "<html>"), (202, "<html>"), (401, ""), (404, ""), (400, "{}"), (422, "{}")] {
            assert!(matches!(reply(status, &[], body), Reply::Refused(_)), "{status}");
        }
        let Reply::Refused(said) = reply(401, &[], r#"{"code":"unauthenticated","detail":"no token"}"#) else {
            panic!()
        };
        assert_eq!(said, "answer 401 unauthenticated: no token");
    }
}
