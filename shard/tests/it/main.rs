//! A shard against a real Postgres.

#![allow(clippy::unwrap_used)]

mod pool;
mod scene;
mod tables;
mod times;
