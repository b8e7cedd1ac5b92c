//! Orders are sent until they are safe.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use forebay_api::receipt::ReceiptState;
use forebay_api::{AcceptedOrder, ReceiptReport, RejectedLine, header};
use forebay_model::Timestamp;
use serde::Serialize;

use crate::NewOrder;
use crate::answer::{Answer, Error};
use crate::batch::{Batch, RecordKind};
use crate::client::{ANSWER_MAX, Client};
use crate::lines::{Lines, Settled, Then};
use crate::patience::Patience;

/// Bytes of a request. Larger ones gain nothing, and more would have to be sent again after a lost connection.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// How long the service may wait before it says that it is not decided yet what became of a request.
const DECIDED_WITHIN: Duration = Duration::from_secs(10);

/// What became of orders that were sent together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// How many are accepted.
    pub accepted: u64,
    /// How many are rejected.
    pub rejected: u64,
    /// The first ones of each request. Their lines are those of all the orders, counted from 1.
    pub errors: Vec<RejectedLine>,
    /// Of each request that it took, by which its orders are read and asked after.
    pub receipts: Vec<String>,
}

/// An order as it goes out: it has what makes it the same order when it is sent again. One that has neither an id nor a time gets the time here,
/// and its id by the request's key.
#[derive(Serialize)]
struct Outgoing<'o> {
    #[serde(flatten)]
    order: &'o NewOrder,
    #[serde(rename = "timestamp", skip_serializing_if = "Option::is_none")]
    sent_at: Option<String>,
}

impl<'o> Outgoing<'o> {
    fn new(order: &'o NewOrder) -> Self {
        let has_neither = order.order_id.is_none() && order.timestamp.is_none();
        Self { order, sent_at: has_neither.then(|| Timestamp::now().to_string()) }
    }
}

impl Client {
    /// Sends an order until it is safe: it is on disk then, and will be stored, once.
    ///
    /// # Errors
    /// [`Error`] says why it was not accepted. Where the answer was lost for too long, it may be all the same.
    pub async fn post(&self, order: &NewOrder) -> Result<AcceptedOrder, Error> {
        let (order, key) = (Outgoing::new(order), key());
        let mut patience = Patience::new(self.patience);
        loop {
            let request = self.ingest.post(["v1", "orders"]).header(header::IDEMPOTENCY_KEY, &key);
            let answer = Answer::of(self.ingest.response(request.json(&order).timeout(ANSWER_MAX)).await);
            if let Some(accepted) = patience.judge(answer).await? {
                return Ok(accepted);
            }
        }
    }

    /// Sends orders, many in a request, until each is accepted or rejected.
    ///
    /// # Errors
    /// [`Error`] says why the rest was not sent; [`Sent`] is what became of those before.
    pub async fn post_all(&self, orders: &[NewOrder]) -> Result<Sent, (Sent, Error)> {
        let (key, mut sent) = (key(), Sent::default());
        let mut patience = Patience::new(self.patience);
        let mut first = 0;
        while first < orders.len() {
            let part = Piece::of(&orders[first..]);
            let end = first + part.ends.len();
            if let Err(error) = self.deliver(&part, &key, first, &mut patience, &mut sent).await {
                return Err((sent, error));
            }
            first = end;
        }
        Ok(sent)
    }

    /// Sends a part of orders; `before` others stand before it.
    async fn deliver(
        &self,
        part: &Piece,
        key: &str,
        before: usize,
        patience: &mut Patience,
        sent: &mut Sent,
    ) -> Result<(), Error> {
        let mut lines = Lines::new(0..part.ends.len(), usize::MAX);
        while let Some(next) = lines.next() {
            let first_line = (before + next.start + 1) as u64;
            let kind = RecordKind::Orders;
            let batch = Batch { kind, lines: part.lines(next), source: Some(key), first_line };
            let (settled, then) = lines.take(self.send(batch).await);
            if !settled.lines.is_empty() {
                patience.renew();
            }
            sent.note(settled, before);
            match then {
                Then::Next | Then::Smaller => {}
                Then::Later(refusal, after) => patience.later(refusal, after).await?,
                Then::Stop(refusal) => return Err(Error::Refused(refusal)),
                Then::Lost(lost) => patience.lost(lost).await?,
            }
        }
        Ok(())
    }

    /// Waits until it is decided what became of the orders of a request.
    ///
    /// # Errors
    /// [`Error`] says why it cannot be told.
    pub async fn became_of(&self, receipt: &str) -> Result<ReceiptReport, Error> {
        let mut patience = Patience::new(self.patience);
        loop {
            let answer = self.receipt(receipt, DECIDED_WITHIN).await;
            let report = patience.judge(answer).await?;
            if let Some(report) = report.filter(|report| report.state == ReceiptState::Stored) {
                return Ok(report);
            }
        }
    }
}

/// Orders that go together.
struct Piece {
    text: Bytes,
    /// Where each line ends.
    ends: Vec<usize>,
}

impl Piece {
    /// As many of the first ones as fit, and one at least.
    fn of(orders: &[NewOrder]) -> Self {
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        for order in orders {
            // What is made of JSON values can be written as JSON.
            let _ = serde_json::to_writer(&mut text, &Outgoing::new(order));
            text.push(b'\n');
            if text.len() > BATCH_BYTES && !ends.is_empty() {
                break;
            }
            ends.push(text.len());
        }
        text.truncate(ends.last().copied().unwrap_or_default());
        Self { text: text.into(), ends }
    }

    fn lines(&self, lines: Range<usize>) -> Bytes {
        let start = lines.start.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.slice(start..self.ends[lines.end - 1])
    }
}

impl Sent {
    fn note(&mut self, settled: Settled, before: usize) {
        let Settled { lines, report } = settled;
        self.accepted += report.accepted;
        self.rejected += report.rejected;
        self.receipts.extend(report.receipt);
        let first = (before + lines.start) as u64;
        self.errors.extend(report.errors.into_iter().map(|error| RejectedLine { line: first + error.line, ..error }));
    }
}

/// A key that nobody else has.
fn key() -> String {
    let random = RandomState::new();
    format!("{:016x}{:016x}", random.hash_one(std::process::id()), random.hash_one(Timestamp::now().unix_us()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn order(text: &str) -> NewOrder {
        serde_json::from_value(json!({"customer_id": "C", "items": [], "note": text})).unwrap()
    }

    #[test]
    fn orders_go_in_parts_that_fit_and_a_large_one_goes_alone() {
        let orders = [order("a"), order("b"), order(&"x".repeat(BATCH_BYTES)), order("c")];
        let (first, second) = (Piece::of(&orders), Piece::of(&orders[2..]));
        assert_eq!((first.ends.len(), second.ends.len(), Piece::of(&orders[3..]).ends.len()), (2, 1, 1));
        let lines: Vec<Bytes> = (0..2).map(|line| first.lines(line..line + 1)).collect();
        assert_eq!(lines.concat(), first.lines(0..2));
        assert!(lines.iter().all(|line| line.ends_with(b"}\n")));
    }

    #[test]
    fn what_has_neither_an_id_nor_a_time_goes_with_a_time() {
        let has_time =
            |order: &NewOrder| serde_json::to_value(Outgoing::new(order)).unwrap().get("timestamp").is_some();
        assert!(has_time(&order("a")));
        // What is wrong stays wrong: sent again, it would be another order.
        assert!(!has_time(&NewOrder { order_id: Some("O".to_owned()), ..order("a") }));
    }
}
