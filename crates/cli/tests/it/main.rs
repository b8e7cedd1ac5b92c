//! The `forebay` command as a process of its own, against real servers.
#![allow(missing_docs, clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "a test sees its own tasks die")]

mod forebay;
mod hangup;
mod help;
mod interface;
mod living;
mod operating;
mod replaying;
mod serve;
mod up;
