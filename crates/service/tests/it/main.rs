//! The shared parts of a service, over real sockets.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod auth;
mod bodies;
mod drain;
mod health;
mod hostile;
mod http2;
mod lifecycle;
mod metrics;
mod problems;
mod running;
mod server;
mod wire;
