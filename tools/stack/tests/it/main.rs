//! The stack against the real servers and the real kernel.

#![allow(clippy::disallowed_methods, reason = "a test sees its own tasks die")]

mod faults;
mod ports;
mod processes;
mod replicas;
mod restart;
mod run_command;
mod shared_servers;
mod support;
