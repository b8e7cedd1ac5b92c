//! What became of a request, as query answers it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What became of the orders of a request: the answer of `GET /v1/receipts/{receipt}`. Once it is `stored`, `accepted` is the sum of
/// `stored`, `duplicate` and `dead_in_all`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReceiptReport {
    /// How far they are.
    pub state: ReceiptState,
    /// How many orders the receipt is for.
    pub accepted: u64,
    /// How many are stored; nothing before all are decided.
    pub stored: Option<u64>,
    /// How many had been stored before, as far as they are decided.
    pub duplicate: u64,
    /// How many are dead, as far as they are decided.
    pub dead_in_all: u64,
    /// How many dead letters there are of them, by reason. Those that were purged are not counted here.
    pub dead_by_reason: BTreeMap<String, u64>,
    /// The first 100 dead letters.
    pub dead: Vec<DeadOrder>,
    /// Whether everything that follows from the stored ones is where reads look for it.
    pub derived: bool,
}

/// How far the orders of a request are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ReceiptState {
    /// Safe in the log, and some of them not decided yet.
    Logged,
    /// All of them are decided.
    Stored,
}

/// An order that is dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DeadOrder {
    /// Its id, where it can be read.
    pub order_id: Option<String>,
    /// Why it is dead: `conflict` where its customer had another order with that id already, or what the database said.
    pub reason: String,
    /// The address of its dead letter, such as `0/17`.
    pub letter: String,
}
