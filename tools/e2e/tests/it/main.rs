//! The promises of the README, seen from the outside.
#![allow(missing_docs, clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "a test sees its own tasks die")]

mod audit;
mod backfill;
mod conflicts;
mod examples;
mod exports;
mod faults;
mod main_road;
mod reading;
mod routing;
mod staleness;
mod stopping;
mod verify;
mod views;
