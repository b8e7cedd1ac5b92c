//! The `forebay` command as a process of its own, against real servers.
#![allow(missing_docs, clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "a test sees its own tasks die")]

mod dead;
mod delivery;
mod disagree;
mod doctor;
mod fates;
mod files;
mod forebay;
mod help;
mod ingest;
mod interface;
mod log;
mod metrics;
mod operated;
mod resume;
mod serve;
mod shards;
mod up;
mod verify;
mod verify_rows;
mod wrong;
