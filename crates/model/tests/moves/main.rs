//! Every schedule of a unit that moves between shards while orders flow, by the very decisions of `forebay_model::ownership`.
#![allow(missing_docs, clippy::unwrap_used)]

mod fact;
mod fault;
mod faults;
mod mover;
mod moves;
mod promises;
mod reader;
mod rules;
mod search;
mod world;
mod writer;

mod runs;
