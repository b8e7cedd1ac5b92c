//! Partitions by time: made ahead, and on demand for facts of any other time.
//!
//! What exists is read from the catalogue as ranges, so a shard whose granularity was changed, or to which somebody attached
//! a partition of another size, goes on working: a new partition fills the gap and never overlaps.

mod catalogue;
mod granularity;
mod range;

pub(crate) use catalogue::{create, read_ranges};
pub use granularity::{Granularity, UnknownGranularity};
pub(crate) use range::{Ranges, Span};
