//! The shared parts of a service, over real sockets.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]
#![allow(clippy::disallowed_methods, reason = "a test sees its own tasks die")]

mod auth;
mod bodies;
mod cors;
mod drain;
mod encodings;
mod health;
mod hostile;
mod http2;
mod interface;
mod lifecycle;
mod metrics;
mod names;
mod problems;
mod running;
mod server;
mod wire;
