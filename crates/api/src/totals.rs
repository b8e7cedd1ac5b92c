//! What orders come to.

use forebay_model::ShardId;
use serde::{Deserialize, Serialize};

/// What orders come to, by period and currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Totals {
    /// In the order of periods, and of currencies within each; none where there are no orders.
    pub data: Vec<Total>,
    /// Shards that are left out because they are down, where that was asked for.
    #[cfg_attr(test, schemars(with = "Vec<u16>"))]
    pub shards_missing: Vec<ShardId>,
}

/// What the orders of a period come to in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Total {
    /// When the hour, day or month begins, in UTC; not there where nothing was said of `by`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub period: Option<String>,
    /// What the sums are in: three capital letters, as ISO 4217 has them.
    pub currency: String,
    /// How many orders, sales and returns.
    pub count: u64,
    /// What the sales come to, in minor units of the currency. Sums are exact: they may have more digits than 64 bits hold.
    pub gross: i128,
    /// What the returns have given back; not negative, but where prices of returns are.
    pub returned: i128,
    /// Gross less returned.
    pub net: i128,
}
