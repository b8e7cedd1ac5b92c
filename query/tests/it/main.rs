//! The query service over real HTTP, real shards and a real log.
#![allow(missing_docs, clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "a test sees its own tasks die")]

mod caching;
mod etags;
mod exporting;
mod feeds;
mod limits;
mod moving;
mod paging;
mod receipts;
mod scene;
mod servers;
mod stats;
mod tasks;
mod totals;
mod writing;
