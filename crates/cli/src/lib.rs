//! The `forebay` command: arguments, printing, exit codes, and the local system.
//!
//! Data goes to standard output, messages go to standard error. What is done to a system is done by `forebay-admin` and
//! `forebay-replay`. It must never know how a service works inside.
//!
//! | module | concept |
//! |---|---|
//! | [`command`] | the command line |
//! | [`doctor`] | whether a system is set up so that it can keep its promises |
//! | [`generate`] | plausible orders, the same for the same seed |
//! | [`shards`] | the shard map and each shard's figures |
//! | [`up`] | the local system, started, watched over and stopped |
//! | `grouped` | numbers for people |

pub mod command;
pub mod doctor;
pub mod generate;
mod grouped;
pub mod shards;
pub mod up;

pub use command::main;
