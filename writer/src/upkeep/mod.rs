//! What is done beside the commits: the log is trimmed behind the position, partitions that are no longer written to are merged, and
//! where something happens to orders, they are indexed by their status.

pub(crate) mod day_activity;
pub(crate) mod indexing;
pub(crate) mod merging;
pub(crate) mod trimming;
