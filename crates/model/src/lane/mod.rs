//! Lanes: the kinds of facts. What a lane is stands in one table, [`Lane::spec`]; the enum and [`Lane::ALL`] name the rows.

mod kind;
mod per;
mod table;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use kind::{PerKind, StreamKind, UnknownStreamKind};
pub(crate) use table::COLUMNS_MAX;
pub use table::{Column, ColumnType, LaneSpec};

/// A kind of fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// The order itself, routed by its customer.
    Orders,
    /// Something that happened to an order, routed as the order is.
    Events,
    /// Order id to customer and time, routed by the order id.
    Index,
    /// An order as one seller (warehouse, …) sees it, routed by the view's key.
    Views,
    /// What happened to an order as one seller (warehouse, …) sees it, routed by the view's key.
    ViewEvents,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 5] = [Self::Orders, Self::Events, Self::Index, Self::Views, Self::ViewEvents];

    /// Its name in streams, settings and metrics.
    pub const fn as_str(self) -> &'static str {
        self.spec().name
    }

    /// The table that holds its facts.
    pub const fn table(self) -> &'static str {
        self.spec().table
    }

    /// Whether its facts are what clients said, or follow from those.
    pub const fn kind(self) -> StreamKind {
        match self.spec().derived_from {
            None => StreamKind::Logged,
            Some(_) => StreamKind::Derived,
        }
    }

    /// Lane and version of the column list: what a frame declares its tuples to be.
    pub const fn format(self) -> &'static str {
        self.spec().format
    }

    /// The columns of its tuples, in COPY order.
    pub const fn columns(self) -> &'static [Column] {
        self.spec().columns
    }

    /// The columns that make a fact's identity: the primary key of the table. The columns begin with them.
    pub const fn identity(self) -> &'static [&'static str] {
        self.spec().identity
    }

    /// Whether its table is range-partitioned by time.
    pub const fn is_partitioned_by_time(self) -> bool {
        self.spec().partitioned_by.is_some()
    }

    /// Where a column stands among the lane's columns. Meant for constants, so that a column that is not there is an error of
    /// the compiler.
    ///
    /// # Panics
    /// Where the lane has no such column.
    pub const fn place(self, column: &str) -> usize {
        table::place(self.columns(), column).expect("the lane has no such column")
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no lane.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a lane: there are {names}", names = Lane::ALL.map(Lane::as_str).join(", "))]
pub struct UnknownLane(String);

impl FromStr for Lane {
    type Err = UnknownLane;

    fn from_str(text: &str) -> Result<Self, UnknownLane> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == text).ok_or_else(|| UnknownLane(text.to_owned()))
    }
}

per::one_for_each! {
    /// One value for each lane.
    PerLane, Lane
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lane_has_its_own_value() {
        let mut names = PerLane::from_fn(Lane::as_str);
        assert!(Lane::ALL.iter().all(|&lane| names[lane] == lane.as_str()));
        assert!(names.iter().all(|(lane, name)| *name == lane.as_str()) && names.iter().count() == Lane::ALL.len());
        names[Lane::Views] = "other";
        assert_eq!((names[Lane::Views], names[Lane::Orders]), ("other", "orders"));
    }
}
