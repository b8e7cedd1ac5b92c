//! The ingest service over real HTTP and a real log.
#![allow(missing_docs, clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "a test sees its own tasks die")]

mod admission;
mod batches;
mod faults;
mod harness;
mod hostile;
mod limits;
mod orders;
mod tasks;
