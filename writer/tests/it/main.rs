//! The writer against a real NATS and real Postgres servers.

#![allow(clippy::unwrap_used)]

mod drains;
mod faults;
mod merges;
mod promotion;
mod scene;
mod service;
mod trims;
