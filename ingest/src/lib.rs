//! Takes orders over HTTP, checks them completely, and answers 202 when they are on disk in the log.
//!
//! **202 only after `PubAck`**: no answer of acceptance leaves this service before JetStream has acknowledged every frame
//! that holds a part of the request. This crate must never know Postgres or Redis.
//!
//! | module | concept |
//! |---|---|
//! | [`settings`] | flags and environment variables |
//! | [`start`](mod@start) | how the service comes to be |
//! | [`app`] | what handlers share |
//! | [`admission`] | what an order must be to be taken |
//! | [`sender`] | for whom a client may speak |
//! | [`http`] | `POST /v1/orders`, `POST /v1/orders/batch` |
//! | [`assign`] | where the random part of assigned order ids comes from |
//! | [`keys`] | which idempotency keys were used of late, and what for |
//! | `log_watch` | the task that reaches the log |
//! | [`memory`] | the bound on bytes in hand |
//! | [`metrics`] | what is measured |
//! | [`append`] | a request's orders, logged: those of concurrent requests become frames, per shard |

mod admission;
mod app;
mod append;
mod assign;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod http;
mod keys;
mod log_watch;
mod memory;
mod metrics;
mod sender;
mod settings;
mod start;

pub use self::metrics::METRICS;
pub use settings::{IngestOptions, Settings};
pub use start::start;

/// Runs the service until it is told to stop, or cannot go on.
pub fn run(settings: &Settings) -> std::process::ExitCode {
    forebay_service::run_http("forebay-ingest", &settings.service, settings.listen, |service| start(settings, service))
}
