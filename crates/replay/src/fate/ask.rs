//! Query is asked what became of one request, until it is decided.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Result;
use forebay_api::receipt::ReceiptState;
use forebay_api::{Code, Problem, ReceiptReport};
use forebay_task::Backoff;
use reqwest::{StatusCode, Url};

use crate::delivery::client::{http_client, innermost, service_url};
use crate::delivery::outage::Outage;
use crate::event::Tell;

/// How long query may wait before it says that a request is not decided yet.
const WAIT_MS: &str = "2000";
/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long to wait before it is asked again.
const RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// Asks query.
pub(crate) struct Asker {
    http: reqwest::Client,
    receipts: Url,
    token: Option<String>,
    tell: Tell,
    give_up: Duration,
    /// Begins with the first question.
    outage: OnceLock<Outage>,
}

/// What is known of a request now.
#[derive(Debug)]
pub(crate) enum Told {
    /// This became of it.
    Report(ReceiptReport),
    /// Nobody knows any more, and this is why.
    Gone(String),
}

/// What an answer means.
#[derive(Debug)]
enum Reply {
    Told(Told),
    /// It is not decided yet.
    NotYet,
    /// It cannot be told now.
    Busy(String),
    /// Asking again would change nothing.
    Refused(String),
    Lost(String),
}

impl Asker {
    /// Asks the query at that address.
    ///
    /// # Errors
    /// One sentence where the address is none.
    pub(crate) fn new(query: &str, token: Option<String>, tell: Tell, give_up: Duration) -> Result<Self> {
        let receipts = service_url("--query", query, &["v1", "receipts"])?;
        let http = http_client("--query", &receipts)?;
        Ok(Self { http, receipts, token, tell, give_up, outage: OnceLock::new() })
    }

    /// Waits until it is decided what became of a request.
    ///
    /// # Errors
    /// One sentence where query does not answer for too long, or refuses.
    pub(crate) async fn ask(self: Arc<Self>, receipt: String) -> Result<Told, String> {
        let outage = self.outage.get_or_init(|| Outage::new(Tell::clone(&self.tell), self.give_up));
        let mut backoff = RETRY;
        loop {
            match self.ask_once(&receipt).await {
                Reply::Told(told) => {
                    outage.is_over();
                    return Ok(told);
                }
                Reply::NotYet => {
                    outage.is_over();
                    backoff.reset();
                }
                Reply::Busy(what) => outage.refused(&what),
                Reply::Refused(what) => return Err(what),
                Reply::Lost(what) if outage.lost(&what) => {}
                Reply::Lost(what) => return Err(format!("{what}; giving up")),
            }
            tokio::time::sleep(backoff.after_failure()).await;
        }
    }

    async fn ask_once(&self, receipt: &str) -> Reply {
        let mut url = self.receipts.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(receipt);
        }
        url.query_pairs_mut().append_pair("wait_ms", WAIT_MS);
        let mut request = self.http.get(url).timeout(ANSWER_MAX);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answered = async {
            let response = request.send().await?;
            Ok::<_, reqwest::Error>((response.status(), response.bytes().await?))
        };
        match answered.await {
            Ok((status, body)) => Reply::of(status, &body),
            Err(error) => Reply::Lost(format!(
                "no answer from {}: {}",
                self.receipts.origin().ascii_serialization(),
                innermost(&error)
            )),
        }
    }
}

impl Reply {
    fn of(status: StatusCode, body: &[u8]) -> Self {
        if status == StatusCode::OK
            && let Ok(report) = serde_json::from_slice::<ReceiptReport>(body)
        {
            return match report.state {
                ReceiptState::Stored => Self::Told(Told::Report(report)),
                ReceiptState::Logged => Self::NotYet,
            };
        }
        let problem: Option<Problem> = serde_json::from_slice(body).ok();
        match problem {
            Some(Problem { code: Code::ReceiptGone, detail, .. }) => Self::Told(Told::Gone(detail)),
            Some(Problem { code, detail, .. }) if status.is_server_error() || code == Code::RateLimited => {
                Self::Busy(format!("query cannot tell now what became of the orders: {code}: {detail}"))
            }
            Some(Problem { code, detail, .. }) => {
                Self::Refused(format!("query answers {} {code}: {detail}", status.as_u16()))
            }
            None if status.is_server_error() => Self::Busy(format!("query answers {status}")),
            None => Self::Refused(format!("query answers {status}: is this the address of Forebay's query?")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply::of(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn answers_mean_what_the_interface_says() {
        let report = |state| {
            format!(
                r#"{{"state":"{state}","accepted":3,"stored":2,"duplicate":1,"dead_in_all":0,"dead_by_reason":{{}},"dead":[],"derived":false}}"#
            )
        };
        assert!(matches!(reply(200, &report("stored")), Reply::Told(Told::Report(report)) if report.duplicate == 1));
        assert!(matches!(reply(200, &report("logged")), Reply::NotYet));
        let problem =
            |code| serde_json::to_string(&Problem::new(code, "why", forebay_api::problem::NoMembers {})).unwrap();
        assert!(matches!(reply(410, &problem(Code::ReceiptGone)), Reply::Told(Told::Gone(why)) if why == "why"));
        assert!(matches!(reply(503, &problem(Code::ShardUnavailable)), Reply::Busy(_)));
        assert!(matches!(reply(502, "<html>"), Reply::Busy(_)));
        for (status, body) in [
            (200, "<html>".to_owned()),
            (404, String::new()),
            (400, problem(Code::Malformed)),
            (403, problem(Code::Forbidden)),
        ] {
            assert!(matches!(reply(status, &body), Reply::Refused(_)), "{status}");
        }
    }
}
