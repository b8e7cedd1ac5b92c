//! What jobs ask of a shard, and what they keep there.
//!
//! | module | concept |
//! |---|---|
//! | `backfill` | how far a shard's orders have been filled in |
//! | `load` | what buckets weigh |
//! | `lead` | which process moves what leaves a shard |

mod backfill;
mod lead;
mod load;

pub use backfill::{Advanced, BackfillProgress};
pub use lead::MovesLead;
pub use load::{BucketLoad, Measure, bucket_loads};
