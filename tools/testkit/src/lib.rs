//! What tests of several crates need: waiting, spoilt connections, databases and logs of a test's own, services in the
//! test's process.
//!
//! It must never know the services `ingest`, `writer` and `query`: their own tests use it, and a test starts the service that
//! it is about by a closure ([`service::Served`]). Everything that knows a crate of the product stands behind a feature, so
//! that tests from outside (`e2e`, `bench`) see none of them, and the tests of `model` compile neither HTTP nor NATS.
//!
//! Everything here panics where it cannot go on: then the test has failed.
//!
//! | module | concept |
//! |---|---|
//! | [`wait`] | waiting for a condition, and for a future, with a deadline |
//! | [`proxy`] | a way to a server that can be spoilt while it is in use |
//! | [`command`] | the `forebay` command, run as people run it |
//! | [`databases`] | databases of a test's own |
//! | [`golden`](mod@golden) | formats that outlive a process, compared with files in the repository |
//! | [`frame_sum`] | the checksum of a frame that a test publishes by hand |
//! | [`order`] | orders as JSON, and tuples that are spoilt |
//! | [`seeds`] | the seeds of a fuzz target |
//! | [`totals`] | what the totals of a list must be |
//! | [`log`] (feature `log`) | a log of a test's own, and frames of orders in it |
//! | [`issuer`] (feature `issuer`) | an issuer of tokens (JWT) |
//! | [`service`] (feature `service`) | a service in this process, and its answers |
#![allow(clippy::missing_panics_doc, reason = "a test that cannot go on has failed")]
#![allow(clippy::disallowed_methods, reason = "a test sees its own tasks die")]

pub mod command;
pub mod databases;
pub mod frame_sum;
pub mod golden;
#[cfg(feature = "issuer")]
pub mod issuer;
#[cfg(feature = "log")]
pub mod log;
pub mod order;
pub mod proxy;
pub mod seeds;
#[cfg(feature = "service")]
pub mod service;
pub mod totals;
pub mod wait;

pub use databases::Databases;
pub use frame_sum::{FRAME_SUM, frame_sum};
pub use proxy::{Mode, Proxy};
pub use wait::{DEADLINE, eventually, within};
