//! What was stored, as it is followed. `V` is what a JSON value is.

use std::collections::BTreeMap;

use forebay_model::ShardId;
use serde::{Deserialize, Serialize};

use crate::Order;

/// What was stored behind a position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ChangesPage"))]
pub struct ChangesPage<V> {
    /// Those of a shard in the order in which they were committed.
    pub data: Vec<Change<V>>,
    /// Whether more follows at once.
    pub has_more: bool,
    /// Where it goes on: for the parameter `since`.
    pub next: String,
    /// Shards that are left out because they are down, where that was asked for.
    #[cfg_attr(test, schemars(with = "Vec<u16>"))]
    pub shards_missing: Vec<ShardId>,
}

/// A fact that was stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Change"))]
pub struct Change<V> {
    /// Where.
    #[cfg_attr(test, schemars(with = "u16"))]
    pub shard: ShardId,
    /// `order` or `event`: which of the two stands beside it.
    #[serde(rename = "type")]
    pub kind: String,
    /// An order, as it was placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Order<V>>,
    /// An event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventOfOrder<V>>,
}

/// An event that says of which order it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "EventOfOrder"))]
pub struct EventOfOrder<V> {
    /// Of which order.
    pub order_id: String,
    /// Of which customer; missing where Forebay assigned the order's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    /// Which event of its order.
    pub event_id: String,
    /// What happened.
    pub kind: String,
    /// RFC 3339, in UTC.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub at: String,
    /// Whatever else was sent with it.
    #[serde(flatten)]
    pub content: BTreeMap<String, V>,
}
