//! Files of orders, and of what happened to orders, sent to ingest.
//!
//! One thread reads the files and cuts them into chunks of whole records; several connections send these, each chunk as
//! one request, and send it again until every record of it is accepted or rejected; one journal notes the outcome in the
//! order of the files. Lines of NDJSON are passed on without being looked into, because the sender shares the machine with
//! the receiver.
//!
//! Where it is told the address of query, it goes on until it is decided what became of every order that was accepted.
//!
//! It talks to ingest and query as any client does, over HTTP. It takes plain settings, tells events and gives a summary. It must never
//! know a command line, nor print; nor the log, the shards or how a service works inside.
//!
//! | module | concept |
//! |---|---|
//! | [`settings`] | what it can be told |
//! | `format` | the formats of files |
//! | `map` | what of a file makes an order or an event |
//! | [`source`] | files as sequences of records |
//! | `chunk` | some records, as one request sends them |
//! | `check` | records, checked as ingest does |
//! | `worker`, `delivery` | bring chunks to ingest |
//! | `fate` | what became of records that were accepted |
//! | `journal` | what is acknowledged, rejected, done |
//! | [`report`] | what a dry run finds out |
//! | [`run`] | a run from its beginning to its end |
//! | [`suggest`] | a map for a file |
//! | [`event`] | what there is to know meanwhile |
//! | [`generate`] | plausible orders and events, where there is no file |
//! | `follow` | files that grow |
//! | `fingerprint` | short names for long things |

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod check;
mod chunk;
mod delivery;
pub mod event;
mod fate;
mod fingerprint;
mod follow;
mod format;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod generate;
#[cfg(test)]
mod golden;
mod journal;
mod map;
pub mod report;
pub mod run;
pub mod settings;
#[cfg(test)]
mod shapes;
pub mod source;
pub mod suggest;
mod worker;

pub use chunk::LineSpan;
pub use event::{Event, Tell};
pub use fate::{DeadRecord, Fates};
pub use follow::follow;
pub use forebay_client::RecordKind;
pub use format::Format;
pub use journal::summary::{Ending, FileSummary, RejectedRecord, Summary};
pub use journal::tally::{Counts, Tally};
pub use map::named::{NAMED_MAPS, NamedMap};
pub use report::Report;
pub use run::run;
pub use settings::{Database, Settings};
pub use suggest::{Suggestion, suggest};
