//! What every Forebay service shares: settings, telemetry, lifecycle, the HTTP server, problem answers, health and
//! the rights of clients.
//!
//! This crate must never know what the services are for: no orders, no log, no database, no cache. It knows sockets,
//! signals and requests.
//!
//! | module | concept |
//! |---|---|
//! | [`settings`] | how settings are read from a command line, their units, and how a bad one is reported |
//! | [`telemetry`] | logs and their settings, the metrics recorder and what is measured, the TLS provider: once per process |
//! | [`shutdown`] | the stages of stopping, as tokens that tasks watch |
//! | [`lifecycle`] | tasks that must not die, signals, drain, the exit code |
//! | [`failpoint`] | places where a test makes a service fail |
//! | [`http`] | the accept loop and its limits, request bodies with time-outs, request metrics |
//! | `followed` | what is read from files, and read again when they change |
//! | `request_name` | the name of the request that is being answered |
//! | [`interface`] | the routes that a service has, those that all have, the description and its page |
//! | [`problem`] | errors as RFC 9457 problems, with one table of codes |
//! | [`extract`] | path and query extractors that answer with problems |
//! | [`health`] | dependencies and their states, `/livez` and `/readyz` |
//! | [`auth`] | API clients, their keys, their rights, and what they are bound to |
//! | [`guard`] | the layer that asks for a right |
//! | [`limit`] | rate limits per client, over all processes of a service |
//! | [`service`] | all of it together: what a service's `main` holds, and the flags and environment variables of every service |

pub mod auth;
pub mod extract;
pub mod failpoint;
mod followed;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod guard;
pub mod health;
pub mod http;
pub mod interface;
pub mod lifecycle;
pub mod limit;
pub mod problem;
mod request_name;
pub mod service;
pub mod settings;
pub mod shutdown;
pub mod telemetry;

pub use auth::{Client, Right};
pub use interface::Routes;
pub use problem::Problem;
pub use service::{Service, ServiceSettings, run, run_http};
pub use settings::command_line::{BadSetting, parse};
pub use shutdown::Shutdown;
