//! The servers of each shard, what they are at the moment, and which of them answers a read; what a read waits for.

mod follow;
mod meter;
mod route;
mod seen;
pub(crate) mod shard;
pub(crate) mod shard_watch;
pub(crate) mod shards;
pub(crate) mod wait;
