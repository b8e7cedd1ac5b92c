//! What every Forebay service shares: settings, telemetry, lifecycle, the HTTP server, problem answers, health and
//! the rights of clients.
//!
//! This crate must never know what the services are for: no orders, no log, no database, no cache. It knows sockets,
//! signals and requests.
//!
//! | module | concept |
//! |---|---|
//! | [`settings`] | the flags and environment variables of every service |
//! | [`command_line`] | a command line to settings, and how a bad one is reported |
//! | [`units`] | sizes and durations as people write them in settings |
//! | [`telemetry`] | logs, the metrics recorder, the TLS provider: once per process |
//! | [`metrics`] | tables of what is measured, and what it means |
//! | `process` | what this process uses, read from `/proc` |
//! | [`shutdown`] | the stages of stopping, as tokens that tasks watch |
//! | [`lifecycle`] | tasks that must not die, signals, drain, the exit code |
//! | [`failpoint`] | places where a test makes a service fail |
//! | `peer` | the other end of a connection, and the name of a client |
//! | [`http`] | the accept loop and its limits, request bodies with time-outs, request metrics |
//! | [`problem`] | errors as RFC 9457 problems, with one table of codes |
//! | [`extract`] | path and query extractors that answer with problems |
//! | [`health`] | dependencies and their states, `/livez` and `/readyz` |
//! | [`auth`] | API clients, their tokens and their rights |
//! | [`service`] | all of it together: what a service's `main` holds |

pub mod auth;
pub mod command_line;
pub mod extract;
pub mod failpoint;
pub mod health;
pub mod http;
pub mod lifecycle;
pub mod metrics;
mod peer;
pub mod problem;
mod process;
pub mod service;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
pub mod units;

pub use auth::{Client, Right};
pub use command_line::{BadSetting, parse};
pub use problem::Problem;
pub use service::{Service, run, run_http};
pub use settings::ServiceSettings;
pub use shutdown::Shutdown;
