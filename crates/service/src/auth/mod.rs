//! Clients, how they are known, and their rights.
//!
//! Where nothing names clients, access is open to everybody, and a client is known by its address. Else every request comes with one of:
//! - `Authorization: Bearer <API key>` (RFC 6750): a key of the clients file, of which only SHA-256 sums are kept; they are compared in constant time.
//! - `Authorization: Bearer <JWT>`: a token of the issuer whose keys are known.
//! - a client certificate that the clients file lists, where there is no `Authorization`.
//!
//! What a client is bound to stands in [`Client::binding`], however it is known, and whose orders its request is about in
//! [`Client::tenant`]. Handlers build what they read and write from these.

mod binding;
mod client;
mod clients;
mod clients_file;
mod jwt;
mod listed;
mod tenancy;

pub use binding::Binding;
pub use client::{Client, Rights};
pub use clients::Clients;
pub(crate) use clients::Refusal;
pub use forebay_api::Right;
#[cfg(any(test, fuzzing))]
pub(crate) use jwt::asked::{is_token_taken, key_set};
pub use jwt::{Jwks, JwtSettings};
pub(crate) use jwt::{KeySource, Tokens};

pub use crate::http::peer::ClientName;
