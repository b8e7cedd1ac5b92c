//! Kinds of orders.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an order is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderKind {
    /// Something was sold. Its total is not negative, though prices may be: those of discounts and vouchers.
    #[default]
    Sale,
    /// Something came back: a credit note. Its quantities are negative, and its total is not positive.
    Return,
}

/// A text that names no kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `sale` or `return`")]
pub struct NotAKind;

impl OrderKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Sale, Self::Return];

    /// As it stands in orders, answers and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Return => "return",
        }
    }

    /// What the quantity of an item may be.
    pub const fn quantities(self) -> RangeInclusive<i64> {
        match self {
            Self::Sale => 1..=1_000_000,
            Self::Return => -1_000_000..=-1,
        }
    }

    /// Whether that may be the sum of an order.
    pub const fn can_come_to(self, total: i64) -> bool {
        match self {
            Self::Sale => total >= 0,
            Self::Return => total <= 0,
        }
    }
}

impl FromStr for OrderKind {
    type Err = NotAKind;

    fn from_str(text: &str) -> Result<Self, NotAKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(NotAKind)
    }
}

impl fmt::Display for OrderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
