//! What a shard says of the parts of the key space, and what that means for the rows of its logs.
//!
//! **Only control frames change it, each at its position**, in the transaction that moves the position over it; the decisions are those of
//! [`forebay_model::ownership`]. A system in which nothing ever moved has no row here: of a unit of which nothing was said, the map says whose it
//! was at first, and that is the same in every map.
//!
//! | module | concept |
//! |---|---|
//! | `units` | what is said of each unit, as the writer of a stream knows it |
//! | `away` | the rows of a batch that are not decided here |
//! | `parked` | rows that wait |
//! | `sums` | what the rows of a unit come to |
//! | `moving` | what a mover sees of a unit |
//! | `leftover` | rows of a unit that are nobody's |

pub(crate) mod away;
pub(crate) mod leftover;
mod moving;
pub(crate) mod parked;
pub(crate) mod sums;
pub(crate) mod units;

pub use away::SentOn;
pub use leftover::rows_moved;
pub use moving::{HashedRow, UnitDay, UnitRow, UnitSnapshot, UnitsSaid, count_of, days_of, rows_between, rows_of_days};
pub use parked::Waiting;
pub use sums::daily_sums;
pub use units::has_any_said;
