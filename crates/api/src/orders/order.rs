//! Orders as query answers them. `V` is what a JSON value is read as.

use std::collections::BTreeMap;

use forebay_model::{OrderKind, ShardId};
use serde::{Deserialize, Serialize};

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "PageOf{T}"))]
pub struct Page<T> {
    /// The orders, in the order of the list.
    pub data: Vec<T>,
    /// Whether the list goes on.
    pub has_more: bool,
    /// Where it goes on: for the parameter `cursor`.
    pub next_cursor: Option<String>,
    /// Shards that are left out because they are down, where that was asked for.
    #[cfg_attr(test, schemars(with = "Vec<u16>"))]
    pub shards_missing: Vec<ShardId>,
}

/// An order, or what the key of a view sees of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Order"))]
pub struct Order<V> {
    /// Its id.
    pub order_id: String,
    /// Its customer.
    pub customer_id: String,
    /// RFC 3339, in UTC.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub timestamp: String,
    /// Whether it is a sale, or a return: a credit note.
    #[cfg_attr(test, schemars(schema_with = "crate::description::kind"))]
    pub kind: OrderKind,
    /// What prices and sums are in: three capital letters, as ISO 4217 has them.
    pub currency: String,
    /// All of them, or those that the key of the view sees.
    #[cfg_attr(test, schemars(with = "Vec<crate::new_order::Item<serde_json::Value>>"))]
    pub items: Vec<V>,
    /// What the items of a whole order come to, in minor units of the currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
    /// What those come to that the key of a view sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtotal: Option<i64>,
    /// `placed`, or the latest state: `confirmed`, `packed`, `shipped`, `delivered`, `cancelled`, or `returned` once all of it has come back; not where orders are shown as they were placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Since when: the time of that event, or of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub status_at: Option<String>,
    /// When the order was last amended, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub amended_at: Option<String>,
    /// How many of each SKU came back, where some did.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub returned: BTreeMap<String, i64>,
    /// How many of those are more than were ordered.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub returned_beyond: BTreeMap<String, i64>,
    /// Whether the key of the view has no part in the order any more, since it was amended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
    /// Whatever else was sent with the order, but for what stands here; and `paid` and `refunded`, where there are such events: sums in minor units of the currency.
    #[serde(flatten)]
    pub attributes: BTreeMap<String, V>,
}
