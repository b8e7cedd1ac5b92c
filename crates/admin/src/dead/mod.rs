//! What could not be stored: dead letters, looked at, put into the log again, deleted. A letter is known by its address,
//! `SHARD/ID`.
//!
//! | module | concept |
//! |---|---|
//! | `address` | which letter |
//! | `selection` | which letters |
//! | `letter` | what is known of a letter |
//! | `pool` | connections to the letters of shards |
//! | `list`, `show` | looking at letters |
//! | `rebuild` | the orders that a letter was made of |
//! | `requeue` | putting letters into the log again |
//! | `purge` | deleting letters |

mod address;
mod letter;
mod list;
mod pool;
mod purge;
mod rebuild;
mod requeue;
mod selection;
mod show;

pub use address::{LetterAddress, NoAddress};
pub use letter::LetterReport;
pub use list::{Count, Listing, list};
pub use purge::{Purged, purge};
pub use requeue::{Requeued, Stays, requeue};
pub use selection::{Filters, Selection};
pub use show::show;
