//! API clients, their tokens and their rights.
//!
//! Without a clients file access is open to everybody, and a client is known by its address. With one, every request needs
//! `Authorization: Bearer <token>` (RFC 6750). Only SHA-256 sums of tokens are kept; they are compared in constant time.

mod client;
mod clients;
mod clients_file;
mod guard;

pub use client::{Client, Right, Rights};
pub use clients::Clients;
pub use guard::Guard;

pub use crate::http::peer::ClientName;
