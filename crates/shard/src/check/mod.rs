//! What a check of a shard reads: one moment of it, page by page, and the statements over it.
//!
//! What a row should be is for the reader to say; here is only what is there.
//!
//! | module | concept |
//! |---|---|
//! | `snapshot` | one moment of a shard, and cursors over its tables |
//! | `whole_order` | an order with every column that it is stored with |
//! | `noted_time` | the times that are noted of orders |
//! | `wrong_sum` | sums that differ from the orders they are of |
//! | `sighting` | what views see |
//! | `happened` | rows that something has happened to |

mod happened;
mod noted_time;
mod sighting;
mod snapshot;
mod whole_order;
mod wrong_sum;

pub use noted_time::{NOTED_TIMES, StoredTwice};
pub use sighting::Sighting;
pub use snapshot::{Cursor, Portion, Snapshot};
pub use whole_order::WholeOrder;
pub use wrong_sum::WrongSum;
