//! The whole system from the outside: real servers, the real programs as processes, and questions over HTTP and SQL.
//!
//! This crate must never know how the services do what they do: what it may rely on is what users may rely on.
//!
//! | module | concept |
//! |---|---|
//! | [`system`] | servers and services on free ports, and what can be done to them |
//! | [`command`] | the `forebay` command |
//! | [`proxy`], [`links`] | ways from services to servers that can be spoilt |
//! | [`maker`] | orders of every kind, each with a mark |
//! | [`load`], [`reads`] | clients that send, and clients that read back |
//! | [`ledger`] | what was sent, and what came of it |
//! | [`answers`] | when which answer came |
//! | [`stored`], [`same`](mod@same), [`audit`] | what the shards hold, and whether it is what was sent |
//! | `strays`, `duplicates` | what else lies there, and what was found there already |
//! | [`known`] | what a fault has done to what is stored |
//! | [`matrix`] | the fault cases, and how one is run |

pub mod answers;
pub mod audit;
pub mod command;
mod duplicates;
pub mod known;
pub mod ledger;
pub mod links;
pub mod load;
pub mod maker;
pub mod matrix;
pub mod proxy;
pub mod reads;
pub mod same;
pub mod stored;
mod strays;
pub mod system;

pub use command::{Run, forebay};
pub use system::{Part, System};
