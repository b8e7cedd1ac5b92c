//! One connection to a shard: where it is, how it begins, and what its errors mean.

pub mod address;
mod foreign;
pub mod session;
mod socket;
pub mod sqlstate;
