//! Lanes: the kinds of facts. Each has a stream and a table per shard, and a fixed list of columns.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A kind of fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// The order itself, routed by its customer.
    Orders,
    /// Order id to customer and time, routed by the order id.
    Index,
    /// An order as one seller (warehouse, …) sees it, routed by the view's key.
    Views,
}

/// A column's type, as far as binary COPY needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// `smallint`
    Int2,
    /// `bigint`
    Int8,
    /// `text`
    Text,
    /// `timestamptz`
    Timestamptz,
    /// `jsonb`
    Jsonb,
}

/// A column of a lane's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in SQL.
    pub name: &'static str,
    /// Its type.
    pub kind: ColumnType,
}

const fn column(name: &'static str, kind: ColumnType) -> Column {
    Column { name, kind }
}

use ColumnType::{Int2, Int8, Jsonb, Text, Timestamptz};

const ORDERS: &[Column] = &[
    column("bucket", Int2),
    column("customer_id", Text),
    column("ordered_at", Timestamptz),
    column("order_id", Text),
    column("total", Int8),
    column("items", Jsonb),
    column("attributes", Jsonb),
];
const INDEX: &[Column] = &[column("order_id", Text), column("customer_id", Text), column("ordered_at", Timestamptz)];
const VIEWS: &[Column] = &[
    column("view", Text),
    column("key", Text),
    column("ordered_at", Timestamptz),
    column("order_id", Text),
    column("customer_id", Text),
    column("bucket", Int2),
    column("subtotal", Int8),
    column("items", Jsonb),
];

impl Lane {
    /// Every lane, in the order in which an order's facts must be logged: the order itself last, so that an order
    /// whose index entry is missing cannot exist.
    pub const ALL: [Self; 3] = [Self::Index, Self::Views, Self::Orders];

    /// Where `ordered_at` stands among the columns of every lane.
    pub const ORDERED_AT: usize = 2;

    /// Its name in streams, settings and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Index => "index",
            Self::Views => "views",
        }
    }

    /// The table that holds its facts.
    pub const fn table(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Index => "order_index",
            Self::Views => "order_views",
        }
    }

    /// Lane and version of the column list: what a frame declares its tuples to be.
    pub const fn format(self) -> &'static str {
        match self {
            Self::Orders => "orders/1",
            Self::Index => "index/1",
            Self::Views => "views/1",
        }
    }

    /// The columns of its tuples, in COPY order.
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Orders => ORDERS,
            Self::Index => INDEX,
            Self::Views => VIEWS,
        }
    }

    /// The columns that make a fact's identity: the primary key of the table.
    pub const fn identity(self) -> &'static [&'static str] {
        match self {
            Self::Orders => &["bucket", "customer_id", "ordered_at", "order_id"],
            Self::Index => &["order_id", "customer_id"],
            Self::Views => &["view", "key", "ordered_at", "order_id", "customer_id"],
        }
    }

    /// Whether its table is range-partitioned by `ordered_at`.
    pub const fn is_partitioned_by_time(self) -> bool {
        matches!(self, Self::Orders | Self::Views)
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no lane.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no lane: there are orders, index and views")]
pub struct UnknownLane(String);

impl FromStr for Lane {
    type Err = UnknownLane;

    fn from_str(text: &str) -> Result<Self, UnknownLane> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == text).ok_or_else(|| UnknownLane(text.to_owned()))
    }
}
