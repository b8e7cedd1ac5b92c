//! The servers of each shard, what they are at the moment, and which of them answers a read.

pub(crate) mod ask;
mod lease;
mod meter;
mod route;
pub(crate) mod server;
pub(crate) mod shard;
pub(crate) mod shard_watch;
pub(crate) mod shards;
mod wait;
