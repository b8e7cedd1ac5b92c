//! Tests against real NATS servers.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::disallowed_methods, reason = "a test sees its own tasks die")]

mod common;
mod map;
mod notice;
mod publish;
mod read;
mod renewal;
mod restart;
mod stream;
mod throughput;
