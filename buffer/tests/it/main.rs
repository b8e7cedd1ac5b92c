//! Tests against real NATS servers.

mod common;
mod map;
mod notice;
mod publish;
mod read;
mod restart;
mod stream;
