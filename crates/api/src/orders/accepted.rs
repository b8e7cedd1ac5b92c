//! Answers of ingest.

use forebay_model::ShardId;
use serde::{Deserialize, Serialize};

/// How many rejected lines of a batch are told one by one; all are counted.
pub const ERRORS_MAX: usize = 100;

/// An order that was taken: the answer 202 of `POST /v1/orders`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AcceptedOrder {
    /// The client's, or the one that was assigned.
    pub order_id: String,
    /// As the order has it.
    pub customer_id: String,
    /// RFC 3339, in UTC.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub timestamp: String,
    /// The shard whose log holds it.
    #[cfg_attr(test, schemars(with = "u16"))]
    pub shard: ShardId,
    /// By which it is read, and asked what became of it.
    pub receipt: String,
}

/// An event that was taken: the answer 202 of `POST /v1/orders/{order_id}/events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AcceptedEvent {
    /// Of which order.
    pub order_id: String,
    /// As it was sent.
    pub event_id: String,
    /// As it was sent.
    pub kind: String,
    /// RFC 3339, in UTC.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub at: String,
    /// The shard whose log holds it.
    #[cfg_attr(test, schemars(with = "u16"))]
    pub shard: ShardId,
    /// By which it is read, and asked what became of it.
    pub receipt: String,
}

/// What became of a batch: the answer 202 of `POST /v1/orders/batch` and `POST /v1/events/batch`, and members of its problems.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BatchReport {
    /// How many orders were accepted.
    pub accepted: u64,
    /// How many lines were rejected.
    pub rejected: u64,
    /// The first 100 of them.
    pub errors: Vec<RejectedLine>,
    /// By which the accepted orders are read, and asked what became of them; none where no order was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// Of a batch that was cut short: every line up to this one is accepted or rejected for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_lines: Option<u64>,
}

/// A line that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RejectedLine {
    /// Counted from 1; in an array, the element.
    pub line: u64,
    /// Where it can be read.
    pub order_id: Option<String>,
    /// `malformed`, `invalid` or `too_large`.
    pub code: String,
    /// What is wrong.
    pub detail: String,
}
