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
    #[serde(with = "exact")]
    #[cfg_attr(test, schemars(with = "i128"))]
    pub gross: i128,
    /// What the returns have given back; not negative, but where prices of returns are.
    #[serde(with = "exact")]
    #[cfg_attr(test, schemars(with = "i128"))]
    pub returned: i128,
    /// Gross less returned.
    #[serde(with = "exact")]
    #[cfg_attr(test, schemars(with = "i128"))]
    pub net: i128,
}

/// Numbers as 64 bits where they are enough: a `serde_json::Value` has no more, and holds what is larger as the nearest that it has.
mod exact {
    use std::fmt;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over like that")]
    pub(super) fn serialize<S: Serializer>(sum: &i128, serializer: S) -> Result<S::Ok, S::Error> {
        match i64::try_from(*sum) {
            Ok(sum) => serializer.serialize_i64(sum),
            Err(_) => serializer.serialize_i128(*sum),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
        deserializer.deserialize_any(Number)
    }

    struct Number;

    impl Visitor<'_> for Number {
        type Value = i128;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number")
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<i128, E> {
            Ok(number.into())
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<i128, E> {
            Ok(number.into())
        }

        fn visit_i128<E: Error>(self, number: i128) -> Result<i128, E> {
            Ok(number)
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<i128, E> {
            Ok(number as i128)
        }
    }
}
