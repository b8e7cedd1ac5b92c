//! The query service over real HTTP, real shards and a real log.
#![allow(missing_docs, clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "a test sees its own tasks die")]

mod answers;
mod cache;
mod derived;
mod etags;
mod exporting;
mod exports;
mod fates;
mod lists;
mod lookups;
mod mistakes;
mod outages;
mod plans;
mod receipts;
mod replicas;
mod round_trip;
mod scene;
mod staleness;
mod stats;
mod tasks;
mod tenants;
mod torn_exports;
mod walk;
mod writing;
