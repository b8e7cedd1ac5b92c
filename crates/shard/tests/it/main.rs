//! A shard against a real Postgres.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]
#![allow(clippy::disallowed_methods, reason = "a test sees its own tasks die")]

mod any_frames;
mod comparison;
mod control;
mod dropped_view;
mod duplicates;
mod exactly_once;
mod facts;
mod lanes;
mod loss;
mod merges;
mod notes;
mod outage;
mod partitions;
mod places;
mod poison;
mod pool;
mod requests;
mod scene;
mod second_times;
mod tables;
mod tenants;
mod times;
