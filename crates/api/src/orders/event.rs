//! Events: what happens to orders. `V` is what a JSON value is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An event as a client sends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "NewEvent", transform = crate::description::by_kind))]
pub struct NewEvent<V> {
    /// Which event of its order: sent again, it has the same id.
    #[cfg_attr(test, schemars(schema_with = "crate::description::id"))]
    pub event_id: String,
    /// Of which order; in a request that says so by its path, it may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(schema_with = "crate::description::id_or_null"))]
    pub order_id: Option<String>,
    /// Of which customer; may be left out where Forebay assigned the order's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(schema_with = "crate::description::id_or_null"))]
    pub customer_id: Option<String>,
    /// What happened.
    #[cfg_attr(test, schemars(schema_with = "crate::description::event_kind"))]
    pub kind: String,
    /// When: RFC 3339 with an offset, from 2000-01-01 up to a day ahead of now, kept to the microsecond.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub at: String,
    /// `returned`: `items`, each with `sku` and `quantity`; without them all of it. `paid`, `refunded`: an `amount` in minor units.
    /// `amended`: `set`, fields of the order and what they are now (not what it is, its time, currency or items), and `items` anew. Whatever else is kept and given back.
    #[serde(flatten)]
    pub content: BTreeMap<String, V>,
}

/// An event as it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Event"))]
pub struct Event<V> {
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

/// What happened to an order, by the times of the events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Timeline"))]
pub struct Timeline<V> {
    /// Which order.
    pub order_id: String,
    /// Whose.
    pub customer_id: String,
    /// All of its events.
    pub data: Vec<Event<V>>,
}
