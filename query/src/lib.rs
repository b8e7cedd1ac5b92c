//! The query service: answers questions about orders over HTTP, by customer, by time, by order id and by view.
//!
//! Two promises are kept here. Whatever was committed before the position that an answer carries (`Forebay-Position`) is in
//! the answer; so a client that presents a receipt sees what it has written. And an answer is either complete or says which
//! shards are missing.
//!
//! This crate must never know how orders are validated, logged or stored, nor any SQL: it asks the shards for lists and
//! orders, and reads the shard map and commit notices.
//!
//! | module | concept |
//! |---|---|
//! | `settings` | flags and environment variables |
//! | `start`, `app` | the tasks and the routes; what handlers share |
//! | `http` | the endpoints: requests checked strictly, answers as responses |
//! | `reader` | who asks, and so what may be seen |
//! | `list` | whose orders a list has; the rows of one shard, piece by piece, and of several as one list; cursors |
//! | `lookup` | finding one order |
//! | `export` | a whole list in one answer, streamed |
//! | `cache` | answers that are kept, and whether they hold still |
//! | `replica` | the shards, the servers of each, and which of them answers; waiting for a receipt |
//! | `feed` | what was stored, in order, to follow |
//! | `moved` | whether units have moved, and which shard each is read from |
//! | `unit` | units, wherever they are: asked for and picked |
//! | `position` | the positions of an answer; how far streams are known to be, and since when; how far facts are derived |
//! | `answer` | rows as JSON; what became of an order, what orders come to |
//! | `log_watch` | the task that follows the log |
//! | `error` | how reads fail |
//! | `metrics` | what is measured |

mod answer;
mod app;
mod cache;
mod error;
mod export;
mod feed;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(test)]
mod golden;
mod http;
mod list;
mod log_watch;
mod lookup;
mod metrics;
mod moved;
mod position;
mod reader;
mod replica;
mod settings;
mod start;
mod unit;

pub use self::metrics::METRICS;
pub use cache::codec::VERSION as CACHE_ENTRY_VERSION;
pub use settings::{QueryOptions, Settings};
pub use start::start;

/// Runs the service until it is told to stop, or cannot go on.
pub fn run(settings: &Settings) -> std::process::ExitCode {
    forebay_service::run_http("forebay-query", &settings.service, settings.listen, |service| start(settings, service))
}
