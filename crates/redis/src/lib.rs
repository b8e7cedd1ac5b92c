//! Redis, however it is set up: one server, the primary that sentinels name, or a cluster.
//!
//! This crate must never know what is kept there, nor what becomes of a command that fails: the caller goes on without it,
//! and connects anew.
//!
//! | module | concept |
//! | --- | --- |
//! | `address` | the forms of an address |
//! | `settings` | the flags: where it is, who we are there, and whom is trusted |
//! | `client` | what connects |
//! | `connection` | the commands that are sent |

mod address;
mod client;
mod connection;
mod settings;

pub use address::RedisUrl;
pub use client::Client;
pub use connection::{Connection, Put};
pub use redis::RedisError;
pub use settings::{LOCAL_REDIS, RedisArgs};
