//! Query is asked what became of one request, until it is decided.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use forebay_api::receipt::ReceiptState;
use forebay_client::{Answer, Client, Code, ReceiptReport, Role};
use forebay_task::Backoff;

use crate::delivery::door;
use crate::delivery::outage::Outage;
use crate::event::Tell;

/// How long query may wait before it says that a request is not decided yet.
const WAIT: Duration = Duration::from_secs(2);
/// How long to wait before it is asked again.
const RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// Asks query.
pub(crate) struct Asker {
    client: Client,
    tell: Tell,
    give_up: Duration,
    /// Begins with the first question.
    outage: OnceLock<Outage>,
}

/// What is known of a request now.
#[derive(Debug)]
pub(crate) enum Fate {
    /// This became of it.
    Report(ReceiptReport),
    /// Nobody knows any more, and this is why.
    Gone(String),
}

impl Asker {
    /// Asks the query of that client.
    pub(crate) fn new(client: Client, tell: Tell, give_up: Duration) -> Self {
        Self { client, tell, give_up, outage: OnceLock::new() }
    }

    /// Waits until it is decided what became of a request.
    ///
    /// # Errors
    /// One sentence where query does not answer for too long, or refuses.
    pub(crate) async fn ask(self: Arc<Self>, receipt: String) -> Result<Fate, String> {
        let outage = self.outage.get_or_init(|| Outage::new(Tell::clone(&self.tell), self.give_up));
        let mut backoff = RETRY;
        loop {
            match self.client.receipt(&receipt, WAIT).await {
                Answer::Given(report) if report.state == ReceiptState::Stored => {
                    outage.is_over();
                    return Ok(Fate::Report(report));
                }
                Answer::Given(_) => {
                    outage.is_over();
                    backoff.reset();
                }
                Answer::Later(refusal, _) => {
                    outage.refused(&format!("query cannot tell now what became of the orders: {refusal}"));
                }
                Answer::Refused(refusal) if refusal.code() == Some(Code::ReceiptGone) => {
                    return Ok(Fate::Gone(refusal.to_string()));
                }
                Answer::Refused(refusal) => return Err(door::refused(&self.client, Role::Query, &refusal).await),
                Answer::Lost(lost) if outage.lost(&lost.to_string()) => {}
                Answer::Lost(lost) => return Err(format!("{lost}; giving up")),
            }
            tokio::time::sleep(backoff.after_failure()).await;
        }
    }
}
