//! Many orders by their ids.

use std::collections::BTreeMap;

use forebay_model::ShardId;
use serde::{Deserialize, Serialize};

/// The most ids of one request.
pub const IDS_MAX: usize = 1000;

/// The ids of orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OrderIds {
    /// Which orders; one may be asked for twice.
    #[cfg_attr(test, schemars(schema_with = "crate::description::ids"))]
    pub ids: Vec<String>,
}

/// What was found for each id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "LookedUp"))]
pub struct LookedUp<T> {
    /// As many as there were ids, in their order; null where no order has the id, or several have.
    pub data: Vec<Option<T>>,
    /// Of each id that several customers have, those customers (up to 100): each order can be read as that customer's.
    pub ambiguous: BTreeMap<String, Vec<String>>,
    /// Shards that are left out because they are down, where that was asked for: an order that is null may be on one of them.
    #[cfg_attr(test, schemars(with = "Vec<u16>"))]
    pub shards_missing: Vec<ShardId>,
}
