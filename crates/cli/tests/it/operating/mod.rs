//! The commands for those who run it.

mod audit;
mod dead;
mod disagree;
mod doctor;
mod keys;
mod log;
mod metrics;
pub(crate) mod operated;
mod pipes;
mod shards;
mod verifying;
