//! An order that is stored.

use crate::Identity;

/// An order as far as facts follow from it. Nothing was checked but the order's time.
#[derive(Clone, Copy, Debug)]
pub struct StoredOrder<'a> {
    /// Which order.
    pub identity: Identity<'a>,
    /// Whether it is a sale or a return, by its word.
    pub kind: &'a [u8],
    /// What its prices and sums are in.
    pub currency: &'a [u8],
    /// The text of a JSON array.
    pub items: &'a [u8],
    /// The text of a JSON object: every field of the order that has no column.
    pub attributes: &'a [u8],
    /// What happened to it, as [`StoredEvents`](crate::StoredEvents) reads it, where that is known.
    pub events: Option<&'a [u8]>,
}
