//! A shard against a real Postgres.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]
#![allow(clippy::disallowed_methods, reason = "a test sees its own tasks die")]

mod comparison;
mod duplicates;
mod exactly_once;
mod facts;
mod loss;
mod merges;
mod outage;
mod partitions;
mod poison;
mod pool;
mod scene;
mod second_times;
mod tables;
mod times;
