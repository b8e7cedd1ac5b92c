//! The whole system from the outside: real servers, the real programs as processes, and questions over HTTP and SQL.
//!
//! This crate must never know how the services do what they do: what it may rely on is what users may rely on.
//!
//! | module | concept |
//! |---|---|
//! | [`system`] | servers and services on free ports, and what can be done to them |
//! | [`command`] | the `forebay` command |

pub mod command;
pub mod system;

pub use command::{Run, forebay};
pub use system::{Part, System};
