//! Drains the log into the shards: for each stream of each shard one independent loop of read, commit, announce.
//! What follows from the orders that it stores goes to the derived streams, behind the commit.
//!
//! **The position moves in the transaction of the rows**: a batch is applied exactly once, whatever crashes when. The
//! streams know nothing of each other: a shard that is down stops its own streams and nothing else. This crate must never
//! know HTTP requests for orders, or how orders are read.
//!
//! | module | concept |
//! |---|---|
//! | [`settings`] | flags and environment variables |
//! | `app` | how the tasks come to be |
//! | `bootstrap` | the log's streams, the shard map, the shards' tables |
//! | `shards` | the shards of the map as it is now, each with what it needs |
//! | `drain` | one stream's loop over sessions: fail, wait, start over; while all goes well lead, read, commit, announce |
//! | `failure` | what can stop a session |
//! | `derive` | what follows from stored orders, published behind the commit |
//! | `failpoint` | places where a test makes the writer fail |
//! | `retry` | how long is waited after a failure |
//! | `status` | what each stream's writer is doing, for everybody who asks; what is in the log and not stored yet; `GET /v1/streams` |
//! | `metrics` | what is measured |
//! | `upkeep` | trimming the log behind the position, merging partitions that are no longer written to |
//! | `moving` | units that move from one shard to another |

mod app;
mod bootstrap;
mod derive;
mod drain;
mod failpoint;
mod failure;
mod metrics;
mod moving;
mod retry;
mod settings;
mod shards;
mod status;
mod upkeep;

pub use app::{start, start_with_backlog};
pub use metrics::METRICS;
pub use settings::{Settings, WriterOptions};
pub use status::backlog::Backlog;

/// Runs the service until it is told to stop, or cannot go on.
pub fn run(settings: &Settings) -> std::process::ExitCode {
    forebay_service::run_http("forebay-writer", &settings.service, settings.listen, |service| start(settings, service))
}
