//! The whole system from the outside: real servers, the real programs as processes, and questions over HTTP and SQL.
//!
//! This crate must never know how the services do what they do: what it may rely on is what users may rely on.
//!
//! | module | concept |
//! |---|---|
//! | [`system`] | servers and services on free ports, ways between them that can be spoilt, and what can be done to all of them |
//! | [`load`] | clients that send, and clients that read back; what was sent, and what came of it |
//! | [`audit`] | what the shards hold, and whether it is what was sent |
//! | [`patient`] | a client that comes again when it is told to |
//! | [`matrix`] | the fault cases, and how one is run |
//! | [`soak`] | very many orders and events, and a model of what becomes of them |

#![allow(clippy::disallowed_methods, reason = "a tool is no service: its user sees what dies")]

pub mod audit;
pub mod load;
pub mod matrix;
pub mod patient;
pub mod soak;
pub mod system;

pub use system::System;
