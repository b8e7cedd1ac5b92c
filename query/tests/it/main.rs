//! The query service over real HTTP, real shards and a real log.
#![allow(missing_docs, clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "a test sees its own tasks die")]

mod caching;
mod etags;
mod exporting;
mod exports;
mod fates;
mod feeds;
mod limits;
mod moving;
mod outages;
mod paging;
mod receipts;
mod replicas;
mod scene;
mod stats;
mod tasks;
mod torn_exports;
mod totals;
mod writing;
