//! What Forebay's services answer over HTTP: the types of answers and the codes of problems, in one place for who writes
//! them and for who reads them.
//!
//! Types only. This crate must never know how an answer comes about, nor by what it is sent: no HTTP, no I/O. Where a service
//! writes an answer by hand for speed, its tests read it with the type from here. JSON values are a type parameter, so a reader
//! takes them as a tree or as text as it likes.
//!
//! | module | concept | answered by |
//! |---|---|---|
//! | [`problem`] | an error (RFC 9457) and the codes of all of them | every service |
//! | [`health`] | what a service depends on, and how that is | `/readyz` of every service |
//! | [`accepted`] | an order or a batch that was taken | ingest |
//! | [`order`] | stored orders and pages of them | query |
//! | [`receipt`] | what became of a request | query |
//! | [`stats`] | figures per shard | query |
//! | [`streams`] | how each stream of each shard stands | writer |

pub mod accepted;
pub mod health;
pub mod order;
pub mod problem;
pub mod receipt;
pub mod stats;
pub mod streams;

pub use accepted::{AcceptedOrder, BatchReport, RejectedLine};
pub use health::Health;
pub use order::{Order, Page};
pub use problem::{Code, Problem};
pub use receipt::ReceiptReport;
pub use stats::Stats;
pub use streams::Streams;
