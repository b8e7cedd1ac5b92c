//! Where shards are; one connection to a shard: how it begins, and what its errors mean.

pub mod address;
mod foreign;
pub mod list;
pub mod session;
mod socket;
pub mod sqlstate;
