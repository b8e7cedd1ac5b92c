//! Plausible orders, and what happened to them, the same for the same seed.
//!
//! | module | concept |
//! |---|---|
//! | [`orders`] | orders by a recipe, as lines of JSON |
//! | [`events`] | what happened to them |
//! | `skew`, `random` | how unevenly customers order and products sell |
//! | `clock`, `line` | times and lines, written fast |

mod clock;
mod events;
mod line;
mod orders;
mod random;
mod skew;

use std::io::Write;

use forebay_model::Timestamp;

pub use events::Events;
pub use orders::Orders;

/// The bytes that are gathered for one write.
const WRITE_BYTES: usize = 1024 * 1024;

/// Which orders are made.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// How many orders.
    pub orders: u64,
    /// How many customers order; not 0.
    pub customers: u32,
    /// How many sellers sell; not 0.
    pub sellers: u32,
    /// How unevenly customers order: 0 is evenly, 1 is Zipf's law.
    pub skew: f64,
    /// Another seed makes other orders.
    pub seed: u64,
    /// Whether orders carry an id.
    pub with_ids: bool,
    /// The time from which on orders come.
    pub from: Timestamp,
    /// Over how many milliseconds they are spread; not 0.
    pub span_ms: u64,
    /// Which share of the orders are returns, from 0 to below 1: each of something that was sold lately.
    pub returns: f64,
}

/// Lines that are made one after the other.
pub trait Lines {
    /// Appends the next ones, each with a line feed. False when all are made.
    fn append_next(&mut self, out: &mut Vec<u8>) -> bool;
}

/// Writes all lines in large pieces.
///
/// # Errors
/// Those of `out`.
pub fn write(mut lines: impl Lines, mut out: impl Write) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(WRITE_BYTES + 1024);
    while lines.append_next(&mut buffer) {
        if buffer.len() >= WRITE_BYTES {
            out.write_all(&buffer)?;
            buffer.clear();
        }
    }
    out.write_all(&buffer)?;
    out.flush()
}
