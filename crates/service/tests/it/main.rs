//! The shared parts of a service, over real sockets.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]
#![allow(clippy::disallowed_methods, reason = "a test sees its own tasks die")]

mod auth;
mod drain;
mod health;
mod interface;
mod lifecycle;
mod metrics;
mod requests;
mod running;
mod server;
mod tasks;
mod tls;
mod tokens;
mod wire;
