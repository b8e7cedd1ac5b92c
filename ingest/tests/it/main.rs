//! The ingest service over real HTTP and a real log.
#![allow(missing_docs, clippy::unwrap_used)]

mod batches;
mod faults;
mod harness;
mod hostile;
mod orders;
