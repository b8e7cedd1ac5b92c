//! The promises of the README, seen from the outside.
#![allow(missing_docs, clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "a test sees its own tasks die")]

mod audit;
mod clients;
mod conflicts;
mod derived;
mod events;
mod faults;
mod main_road;
mod many_events;
mod reads;
mod routing;
mod secured;
mod soak;
mod stopping;
