//! Orders as query answers them.

use std::collections::BTreeMap;

use forebay_model::ShardId;
use serde::{Deserialize, Serialize};

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The orders, in the order of the list.
    pub data: Vec<T>,
    /// Whether the list goes on.
    pub has_more: bool,
    /// Where.
    pub next_cursor: Option<String>,
    /// Shards that are left out because they are down, where that was asked for.
    pub shards_missing: Vec<ShardId>,
}

/// An order, or what the key of a view sees of one. `V` is what a JSON value is read as.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order<V> {
    /// Its id.
    pub order_id: String,
    /// Its customer.
    pub customer_id: String,
    /// RFC 3339, in UTC.
    pub timestamp: String,
    /// What prices and sums are in: three capital letters, as ISO 4217 has them.
    pub currency: String,
    /// All of them, or those that the key of the view sees.
    pub items: Vec<V>,
    /// What the items of a whole order come to, in minor units of the currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
    /// What those come to that the key of a view sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtotal: Option<i64>,
    /// Whatever else was sent with the order.
    #[serde(flatten)]
    pub attributes: BTreeMap<String, V>,
}
