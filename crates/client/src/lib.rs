//! Forebay from a Rust program: orders are sent until they are safe, and read back.
//!
//! What it knows is what the interface says of sending again: a refusal that passes says when to come back, a batch that was cut short says
//! how many of its lines are settled, and an order that carries what makes it the same order can be sent any number of times.
//! [`Client`] does all of that by itself; a program with a loop of its own, such as `forebay replay`, takes single requests ([`Client::send`],
//! [`Client::receipt`]) and [`Lines`], which says what is sent next. It must never know how a service works inside.
//!
//! | module | concept |
//! |---|---|
//! | `client` | the services' addresses, and single requests |
//! | `service` | one of them: connections, and what an answer is at all |
//! | `answer` | what an answer means |
//! | `batch`, `lines` | many records in one request; which of them are sent next |
//! | `list` | lists, page by page |
//! | `send`, `read` | what is tried again until it is done |
//! | `patience` | how long that is |
//!
//! A program that uses it is in the README.

mod answer;
mod batch;
mod client;
mod lines;
mod list;
mod patience;
mod read;
mod send;
mod service;

pub use answer::{Answer, Error, Refusal};
pub use batch::{Batch, BatchAnswer, RecordKind};
pub use client::Client;
pub use forebay_api::{AcceptedOrder, BatchReport, Code, Problem, ReceiptReport, RejectedLine, Role, Welcome};
pub use lines::{Lines, Settled, Then};
pub use list::{List, Pages};
pub use send::Sent;
pub use service::{BadAddress, Lost};

/// An order as it is sent.
pub type NewOrder = forebay_api::NewOrder<serde_json::Value>;
/// An order as it comes back.
pub type Order = forebay_api::Order<serde_json::Value>;
