//! What is done beside the commits: the log is trimmed behind the position, and partitions that are no longer written to are merged.

pub(crate) mod commit_history;
pub(crate) mod day_activity;
pub(crate) mod merging;
pub(crate) mod trimming;
