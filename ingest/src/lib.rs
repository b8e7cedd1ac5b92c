//! Takes orders over HTTP, checks them completely, and answers 202 when they are on disk in the log.
//!
//! **202 only after `PubAck`**: no answer of acceptance leaves this service before JetStream has acknowledged every frame
//! that holds a part of the request. This crate must never know Postgres or Redis.
//!
//! | module | concept |
//! |---|---|
//! | [`settings`] | flags and environment variables |
//! | [`start`](mod@start), [`log_watch`] | how the service comes to be; the task that follows the log |
//! | [`app`] | what handlers share |
//! | [`order`] | `POST /v1/orders` |
//! | [`batch`] | `POST /v1/orders/batch` |
//! | [`assign`] | where the random part of assigned order ids comes from |
//! | [`rate`] | rate limits per client, counted in orders |
//! | [`memory`] | the bound on bytes in hand |
//! | [`metrics`] | what is measured |
//! | [`append`] | a request's orders, logged |
//! | [`group`] | tuples of concurrent requests become frames, per shard |

mod app;
mod append;
mod assign;
mod batch;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod group;
mod log_watch;
mod media;
mod memory;
mod metrics;
mod order;
mod rate;
mod settings;
mod start;

pub use self::metrics::METRICS;
pub use settings::Settings;
pub use start::start;

/// Runs the service until it is told to stop, or cannot go on.
pub fn run(settings: &Settings) -> std::process::ExitCode {
    forebay_service::run("forebay-ingest", &settings.service, async |service| {
        let listener = forebay_service::http::bind(settings.listen).await?;
        let api = start(settings, &service)?;
        service.serve(listener, api);
        Ok(())
    })
}
