//! The writer against a real NATS and real Postgres servers.

#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "a test sees its own tasks die")]

mod damage;
mod deriving;
mod drains;
mod faults;
mod merges;
mod moving;
mod promotion;
mod scene;
mod service;
mod tasks;
mod trims;
