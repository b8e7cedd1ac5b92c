//! The query service: answers questions about orders over HTTP, by customer, by time, by order id and by view.
//!
//! Two promises are kept here. Whatever was committed before the position that an answer carries (`Forebay-Position`) is in
//! the answer; so a client that presents a receipt sees what it has written. And an answer is either complete or says which
//! shards are missing.
//!
//! This crate must never know how orders are validated, logged or stored: it reads the tables of the shards, the
//! shard map, and commit notices.
//!
//! | module | concept |
//! |---|---|
//! | `settings` | flags and environment variables |
//! | `app` | what handlers share, and the routes |
//! | `customer`, `order`, `range`, `view`, `stats` | the endpoints |
//! | `query_string` | the parameters of a request, checked strictly |
//! | `cache` | answers that are kept, and whether they hold still |
//! | `list`, `scan` | a page of a list, and what it is of |
//! | `cursor` | where the next page begins, as an opaque text |
//! | `key` | the total order of lists |
//! | `merge`, `source` | the rows of several shards as one list; the rows of one shard, piece by piece |
//! | `export` | a whole list in one answer, streamed |
//! | `lookup` | finding one order |
//! | [`statement`], `parameters`, `window`, `calendar` | the SQL; how it stays cheap over many partitions |
//! | `row`, `answer`, `response` | rows as they come, as JSON, as HTTP |
//! | `read_at`, `known`, `history`, `wait` | the positions of an answer; how far lanes are known to be, and since when; waiting for a receipt |
//! | `shards`, `shard`, `route` | the shards; which server of a shard answers |
//! | `server`, `lease` | statements with deadlines, connections |
//! | `log_watch`, `shard_watch` | the tasks that follow the log and each shard |
//! | `error`, `meter` | how reads fail; what is measured |

mod answer;
mod app;
mod cache;
mod calendar;
mod cursor;
mod customer;
mod error;
mod export;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod history;
mod key;
mod known;
mod lease;
mod list;
mod log_watch;
mod lookup;
mod merge;
mod meter;
mod order;
mod parameters;
mod query_string;
mod range;
mod read_at;
mod response;
mod route;
mod row;
mod scan;
mod server;
mod settings;
mod shard;
mod shard_watch;
mod shards;
mod source;
pub mod statement;
mod stats;
mod view;
mod wait;
mod window;

pub use app::start;
pub use settings::Settings;
