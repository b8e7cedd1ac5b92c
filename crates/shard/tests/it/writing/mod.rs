//! Batches into the tables, exactly once.

mod any_frames;
mod control;
mod duplicates;
mod exactly_once;
mod lanes;
mod notes;
mod outage;
mod poison;
mod requests;
mod times;
mod units;
