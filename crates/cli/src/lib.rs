//! The `forebay` command: arguments, printing and exit codes.
//!
//! Data goes to standard output, messages go to standard error. What is done to a system is done by `forebay-admin` and
//! `forebay-replay`, which print nothing; here is what they are told, and how their reports are shown. `up` and `down` are `forebay-local`'s. It must never know how
//! a service works inside.
//!
//! | module | concept |
//! |---|---|
//! | [`command`] | the command line |
//! | [`generate`] | plausible orders, the same for the same seed |
//! | `map` | maps that say what of a file makes an order |
//! | [`replay`] | files of orders, sent to ingest |
//! | [`serve`] | several services as one process |
//! | [`operate`] | commands for operators |
//! | `version` | the release, the commit and the formats |

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod command;
pub mod generate;
mod map;
pub mod operate;
pub mod replay;
pub mod serve;
mod version;

pub use command::{command_line, main};
