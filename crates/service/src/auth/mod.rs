//! API clients, their keys and their rights.
//!
//! Without a clients file access is open to everybody, and a client is known by its address. With one, every request needs
//! `Authorization: Bearer <API key>` (RFC 6750). Only SHA-256 sums of keys are kept; they are compared in constant time.
//!
//! What a client is bound to stands in [`Client::binding`], whoever it is known by. Handlers build what they read and write from it.

mod binding;
mod client;
mod clients;
mod clients_file;
mod guard;

pub use binding::Binding;
pub use client::{Client, Rights};
pub use clients::Clients;
pub use forebay_api::Right;
pub use guard::Guard;

pub use crate::http::peer::ClientName;
