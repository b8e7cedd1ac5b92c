//! The servers of shards, and what is read while some of them are away.

mod outages;
mod replicas;
