//! Where shards are; one connection to a shard: how it begins, whose database it is, and what its errors mean.

pub mod address;
mod foreign;
pub mod identity;
pub mod list;
pub mod session;
mod socket;
pub mod sqlstate;
pub mod system;
