//! Orders as clients send them. Ingest reads them with a parser of its own, for speed; what that takes is described here, and a program that
//! sends orders can write them with these types. `V` is what a JSON value is.

use std::collections::BTreeMap;

use forebay_model::OrderKind;
use serde::{Deserialize, Serialize};

/// An order as a client sends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "NewOrder", transform = crate::description::id_and_time))]
pub struct NewOrder<V> {
    /// Who ordered. An integer is taken as its decimal string.
    #[cfg_attr(test, schemars(schema_with = "crate::description::id"))]
    pub customer_id: String,
    /// Which order; unique per customer, an integer as its decimal string. Without one, Forebay assigns a UUIDv7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(schema_with = "crate::description::id_or_null"))]
    pub order_id: Option<String>,
    /// When it was ordered: RFC 3339 with an offset, from 2000-01-01 up to a day ahead of now, kept to the microsecond. It may be left out
    /// only together with `order_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub timestamp: Option<String>,
    /// Whether it is a sale, or a return: a credit note, whose quantities are negative and whose total is not positive. Without it, a sale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(schema_with = "crate::description::kind"))]
    pub kind: Option<OrderKind>,
    /// What was ordered, or came back.
    #[cfg_attr(test, schemars(length(min = 1, max = 5000)))]
    pub items: Vec<Item<V>>,
    /// What prices are in: three capital letters, as ISO 4217 has them. Without it, the currency of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("pattern" = "^[A-Z]{3}$")))]
    pub currency: Option<String>,
    /// The sum of quantity × price. It is computed; where it is sent, it must be right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
    /// Whatever else is to be kept and given back: up to 32 levels deep, without U+0000.
    #[serde(flatten)]
    pub attributes: BTreeMap<String, V>,
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Item"))]
pub struct Item<V> {
    /// What.
    #[cfg_attr(test, schemars(schema_with = "crate::description::sku"))]
    pub sku: String,
    /// How many: of a sale 1 to 1,000,000, of a return −1,000,000 to −1.
    #[cfg_attr(test, schemars(range(min = -1_000_000, max = 1_000_000)))]
    pub quantity: i32,
    /// What one costs, in minor units of the currency; negative for a discount or a voucher, as long as a sale's total is not.
    pub price: i64,
    /// Whatever else is to be kept and given back, such as `seller_id`.
    #[serde(flatten)]
    pub attributes: BTreeMap<String, V>,
}
