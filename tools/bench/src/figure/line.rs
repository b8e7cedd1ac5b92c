//! A line of the table: what was measured, beside what, and whether that is enough.

use serde::Serialize;

use super::Figure;
use crate::usage::Cost;

/// In what a line's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Orders a second.
    OrdersPerSecond,
    /// Requests a second.
    RequestsPerSecond,
    /// Rows a second.
    RowsPerSecond,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Megabytes: 2²⁰ bytes.
    Megabytes,
    /// Bytes.
    Bytes,
    /// Orders.
    Orders,
}

/// What a line must come to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The value, as a part of the limit.
    RatioAtLeast(f64),
    /// The value, as a multiple of the limit.
    RatioAtMost(f64),
    /// The value itself, at least.
    AtLeast(f64),
    /// The value itself, at most.
    AtMost(f64),
    /// It is only told.
    None,
}

/// A line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The row that it belongs to, as it is named on the command line.
    pub row: &'static str,
    /// What was measured.
    pub what: String,
    /// What the limit is, where there is one.
    pub beside: &'static str,
    /// In what both are.
    pub unit: Unit,
    /// What Forebay does.
    pub value: Figure,
    /// What could be done; empty where there is none.
    pub limit: Figure,
    /// What it must come to.
    pub target: Target,
    /// What the value took, over all its rounds.
    pub cost: Cost,
    /// What else a reader should know.
    pub note: String,
}

impl Line {
    /// A line without limit, target and cost.
    pub fn new(row: &'static str, what: impl Into<String>, unit: Unit, value: Figure) -> Self {
        Self {
            row,
            what: what.into(),
            beside: "",
            unit,
            value,
            limit: Figure::default(),
            target: Target::None,
            cost: Cost::default(),
            note: String::new(),
        }
    }

    /// With what it is measured against.
    #[must_use]
    pub fn beside(mut self, what: &'static str, limit: Figure) -> Self {
        (self.beside, self.limit) = (what, limit);
        self
    }

    /// With what it must come to.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// With what it took.
    #[must_use]
    pub fn cost(mut self, cost: Cost) -> Self {
        self.cost = cost;
        self
    }

    /// With a remark.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// The median of the rounds' ratios; `None` without a limit.
    pub fn ratio(&self) -> Option<f64> {
        (!self.limit.is_empty()).then(|| self.value.over(&self.limit).median())
    }

    /// Whether the target is met; `None` where there is none.
    pub fn is_met(&self) -> Option<bool> {
        match self.target {
            Target::None => None,
            Target::AtLeast(least) => Some(self.value.median() >= least),
            Target::AtMost(most) => Some(self.value.median() <= most),
            Target::RatioAtLeast(least) => Some(self.ratio().is_some_and(|ratio| ratio >= least)),
            Target::RatioAtMost(most) => Some(self.ratio().is_some_and(|ratio| ratio <= most)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(value: f64, limit: f64, target: Target) -> Line {
        let line = Line::new("x", "x", Unit::OrdersPerSecond, Figure::from_iter([value]));
        line.beside("y", Figure::from_iter([limit])).target(target)
    }

    #[test]
    fn a_target_is_met_at_its_very_number_and_missed_behind_it() {
        assert_eq!(line(60.0, 100.0, Target::RatioAtLeast(0.6)).is_met(), Some(true));
        assert_eq!(line(59.0, 100.0, Target::RatioAtLeast(0.6)).is_met(), Some(false));
        assert_eq!(line(160.0, 100.0, Target::RatioAtMost(1.6)).is_met(), Some(true));
        assert_eq!(line(161.0, 100.0, Target::RatioAtMost(1.6)).is_met(), Some(false));
        assert_eq!(line(15.0, 0.0, Target::AtMost(15.0)).is_met(), Some(true));
        assert_eq!(line(15.1, 0.0, Target::AtMost(15.0)).is_met(), Some(false));
        assert_eq!(line(15.0, 0.0, Target::AtLeast(15.0)).is_met(), Some(true));
        assert_eq!(line(14.9, 0.0, Target::AtLeast(15.0)).is_met(), Some(false));
        assert_eq!(line(1.0, 1.0, Target::None).is_met(), None);
    }

    #[test]
    fn without_a_limit_a_ratio_is_not_met_by_accident() {
        let line = Line::new("x", "x", Unit::Milliseconds, Figure::from_iter([1.0])).target(Target::RatioAtMost(2.0));
        assert_eq!((line.ratio(), line.is_met()), (None, Some(false)));
    }
}
