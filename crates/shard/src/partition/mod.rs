//! Partitions by time: made ahead, and on demand for facts of any other time.
//!
//! What exists is read from the catalogue as ranges, so a shard whose granularity was changed, or to which somebody attached
//! a partition of another size, goes on working: a new partition fills the gap and never overlaps.
//!
//! Every partition that a statement leaves open costs it about as much as finding one row, so those of a part of the calendar
//! that is over are merged into one.
//!
//! | module | concept |
//! |---|---|
//! | `granularity` | how long a new partition is |
//! | `range` | ranges of time, and the gaps between them |
//! | `catalogue` | partitions as the catalogue has them, and how new ones get there |
//! | `period` | which partitions may become one |
//! | `build` | the table that is to take their place |
//! | `merge` | how it takes their place |
//! | `status_index` | the indexes by status, made when they are needed |

mod build;
mod catalogue;
mod granularity;
mod merge;
mod period;
mod range;
mod status_index;

pub use build::Build;
pub(crate) use catalogue::{create, read_ranges};
pub use granularity::{Granularity, UnknownGranularity};
pub(crate) use merge::MERGE_LOCK;
pub use merge::{Merger, Swap, Touch};
pub use period::Period;
pub(crate) use range::{LATEST, Ranges, Span};
pub use status_index::StatusIndexes;
