//! Tests against real NATS servers.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;
mod map;
mod notice;
mod publish;
mod read;
mod renewal;
mod restart;
mod stream;
mod throughput;
