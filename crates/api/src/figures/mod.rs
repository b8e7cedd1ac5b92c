//! What orders come to, and how services, shards and streams stand.

pub mod health;
pub mod stats;
pub mod streams;
pub mod totals;
