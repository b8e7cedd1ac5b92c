//! What orders count for in sums: each by the items that it has now.

use std::ops::{Add, AddAssign, Sub};

use super::life::Life;

/// What an order counts for in sums, or several of them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worth {
    /// How many orders.
    pub orders: i64,
    /// What their items come to, in minor units. Many totals together may have more than 64 bits.
    pub total: i128,
}

/// What the items of an order, or those that the key of a view sees of it, come to since they were amended. Its row keeps that beside what
/// was placed, so that it is known what the order counts for already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmendedItems {
    /// What they come to, in minor units.
    pub total: i64,
    /// Whether there are any: an order has some, and the key of a view may have lost all of them.
    pub is_any: bool,
}

impl AmendedItems {
    /// Of what an order has become.
    pub fn of(life: &Life) -> Option<Self> {
        let items = life.items.as_ref()?;
        Some(Self { total: items.sum, is_any: !items.is_nothing() })
    }
}

impl Worth {
    /// Of items that come to that, where there are any.
    pub const fn of(total: i64, is_any: bool) -> Self {
        if is_any { Self { orders: 1, total: total as i128 } } else { Self { orders: 0, total: 0 } }
    }

    /// Of one that was placed with this worth, as it is now.
    #[must_use]
    pub fn amended(self, items: Option<AmendedItems>) -> Self {
        items.map_or(self, |items| Self::of(items.total, items.is_any))
    }
}

impl Add for Worth {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { orders: self.orders + other.orders, total: self.total + other.total }
    }
}

impl Sub for Worth {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { orders: self.orders - other.orders, total: self.total - other.total }
    }
}

impl AddAssign for Worth {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

#[cfg(test)]
mod tests;
