//! Where a row stands in the total order of a list: by time, then order id, then customer. Ids are compared byte by byte,
//! here as in Postgres (collation "C"), so every shard and the merge agree.

use std::fmt;

use forebay_model::Timestamp;
use forebay_model::order::home::Home;

/// A row's place, borrowed from the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyRef<'a> {
    /// The order's time.
    pub ordered_at: Timestamp,
    /// Its id.
    pub order_id: &'a str,
    /// Its customer.
    pub customer_id: &'a str,
}

/// A row's place, kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The order's time.
    pub ordered_at: Timestamp,
    /// Its id.
    pub order_id: String,
    /// Its customer.
    pub customer_id: String,
}

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// The last order.
    #[default]
    NewestFirst,
    /// The first order.
    OldestFirst,
}

/// A range of time: `from` inclusive, `to` exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Inclusive.
    pub from: Timestamp,
    /// Exclusive.
    pub to: Timestamp,
}

impl KeyRef<'_> {
    /// A copy to keep.
    pub fn to_key(self) -> Key {
        Key {
            ordered_at: self.ordered_at,
            order_id: self.order_id.to_owned(),
            customer_id: self.customer_id.to_owned(),
        }
    }
}

impl Key {
    /// Before every row of that instant: no id is empty.
    pub fn before_all_at(ordered_at: Timestamp) -> Self {
        Self { ordered_at, order_id: String::new(), customer_id: String::new() }
    }

    /// Borrowed.
    pub fn borrowed(&self) -> KeyRef<'_> {
        KeyRef { ordered_at: self.ordered_at, order_id: &self.order_id, customer_id: &self.customer_id }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "order {} of customer {} at {}", self.order_id, self.customer_id, self.ordered_at)
    }
}

impl Direction {
    /// Whether `a` comes before `b` in a list.
    pub fn is_before(self, a: KeyRef<'_>, b: KeyRef<'_>) -> bool {
        match self {
            Self::NewestFirst => a > b,
            Self::OldestFirst => a < b,
        }
    }
}

impl Span {
    /// Every time that an order can have.
    pub const ALL: Self = Self {
        from: Timestamp::EARLIEST,
        // 9999-12-31T23:59:59.999999Z is the last instant that RFC 3339 can write.
        to: Timestamp::from_unix_us(253_402_300_800_000_000),
    };

    /// The millisecond that an assigned id names.
    pub fn of_home(home: Home) -> Self {
        let from = Timestamp::from_unix_us(home.unix_ms * 1000);
        Self { from, to: from.plus_us(1000) }
    }

    /// One instant.
    pub fn of_instant(at: Timestamp) -> Self {
        Self { from: at, to: at.plus_us(1) }
    }

    /// Where a list of this range starts: the place before its first row.
    pub fn start(self, direction: Direction) -> Key {
        Key::before_all_at(match direction {
            Direction::NewestFirst => self.to,
            Direction::OldestFirst => self.from,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_times_are_ordered_by_the_bytes_of_the_ids() {
        let key = |order_id, customer_id| KeyRef { ordered_at: Timestamp::EARLIEST, order_id, customer_id };
        assert!(key("B", "x") < key("a", "a"), "capital letters come first, as bytes do");
        assert!(key("a", "z") < key("ä", "a"));
        assert!(key("a", "a") < key("a", "b"));
        assert!(Direction::NewestFirst.is_before(key("a", "b"), key("a", "a")));
    }

    #[test]
    fn a_range_starts_before_its_first_row_and_excludes_its_end() {
        let at = |us| Timestamp::from_unix_us(us);
        let span = Span { from: at(10), to: at(20) };
        let row = |us| KeyRef { ordered_at: at(us), order_id: "a", customer_id: "c" };
        let newest = span.start(Direction::NewestFirst);
        assert!(row(19) < newest.borrowed() && row(20) > newest.borrowed());
        let oldest = span.start(Direction::OldestFirst);
        assert!(row(10) > oldest.borrowed() && row(9) < oldest.borrowed());
    }
}
