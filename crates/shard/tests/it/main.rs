//! A shard against a real Postgres.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]
#![allow(clippy::disallowed_methods, reason = "a test sees its own tasks die")]

mod facts;
mod pool;
mod scene;
mod stored;
mod tables;
mod writing;
