//! Shards come to a system, leave it, and go elsewhere, while everything runs: the map says which there are and where, and services follow it.
//!
//! | module | concept |
//! |---|---|
//! | `plan` | whether a database can become a shard, and what is left to do for it |
//! | `add` | a shard comes, without buckets |
//! | `remove` | a shard that has nothing any more leaves |
//! | `set` | a shard is elsewhere, or labelled otherwise |

mod add;
mod plan;
mod remove;
mod set;

pub use add::add;
pub use plan::{NewMember, Plan, Step, plan};
pub use remove::{Removal, RemovalEvent, RemovalStep, plan_removal, remove};
pub use set::{Change, set};
