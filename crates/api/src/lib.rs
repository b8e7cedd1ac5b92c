//! What Forebay's services answer over HTTP: the types of answers and the codes of problems, in one place for who writes
//! them and for who reads them.
//!
//! Types only, and the table of routes. This crate must never know how an answer comes about, nor by what it is sent: no HTTP, no I/O. Where a service
//! writes an answer by hand for speed, its tests read it with the type from here. JSON values are a type parameter, so a reader
//! takes them as a tree or as text as it likes.
//!
//! | module | concept | answered by |
//! |---|---|---|
//! | [`route`], [`parameter`], [`header`] | every route, what may stand behind its `?`, and the headers that are Forebay's own | every service |
//! | [`right`] | what a client may do | |
//! | [`welcome`] | what a service says of itself | every service |
//! | [`problem`] | an error (RFC 9457) and the codes of all of them | every service |
//! | [`health`] | what a service depends on, and how that is | `/readyz` of every service |
//! | [`new_order`] | an order as clients send it | |
//! | [`event`] | what happens to orders | query |
//! | [`change`] | what was stored, to follow | query |
//! | [`accepted`] | an order, an event or a batch that was taken | ingest |
//! | [`order`] | stored orders and pages of them | query |
//! | [`lookup`] | many orders by their ids | query |
//! | [`receipt`] | what became of a request | query |
//! | [`totals`] | what orders come to | query |
//! | [`stats`] | figures per shard | query |
//! | [`streams`] | how each stream of each shard stands | writer |
//!
//! Those of orders, from [`new_order`] to [`receipt`], stand in the room `orders`; [`health`], [`totals`], [`stats`] and [`streams`] in `figures`.
//!
//! What is said of all of this to people and to programs, [`DESCRIPTION`], is made of it by a test (`description`): nothing has to be
//! made while a service runs, and nobody who builds one pays for it.

#[cfg(test)]
mod description;
mod figures;
pub mod header;
mod orders;
pub mod parameter;
pub mod problem;
pub mod right;
pub mod route;
pub mod welcome;

pub use figures::{health, stats, streams, totals};
pub use orders::{accepted, change, event, lookup, new_order, order, receipt};

pub use accepted::{AcceptedEvent, AcceptedOrder, BatchReport, RejectedLine};
pub use change::ChangesPage;
pub use event::{Event, NewEvent, Timeline};
pub use health::Health;
pub use lookup::{LookedUp, OrderIds};
pub use new_order::NewOrder;
pub use order::{Order, Page};
pub use parameter::Parameter;
pub use problem::{Code, Problem};
pub use receipt::ReceiptReport;
pub use right::Right;
pub use route::{Role, Route};
pub use stats::Stats;
pub use streams::Streams;
pub use totals::Totals;
pub use welcome::Welcome;

/// The description of the whole interface: OpenAPI 3.1, as JSON.
pub const DESCRIPTION: &str = include_str!("../../../docs/openapi.json");
