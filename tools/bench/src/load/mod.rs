//! Clients that make load: each does one thing after the other, over a connection that stays open.
//!
//! In a closed loop a client begins as soon as it has its answer, which shows how much can be done at most. In an open loop
//! everything has its time beforehand, and latency counts from that time, whether or not a client was free by then: a
//! stall is paid for by everything that would have come meanwhile (this is what correcting for coordinated omission is
//! about).
//!
//! | module | concept |
//! |---|---|
//! | [`connection`] | HTTP/1.1, kept alive |
//! | [`arrivals`] | when the next thing begins |
//! | [`drive`](mod@drive) | several clients for some time |
//! | [`frames`] | frames for the log, without ingest |
//! | [`requests`] | the clients that rows use |

pub mod arrivals;
pub mod connection;
pub mod drive;
pub mod frames;
pub mod requests;

pub use arrivals::Arrivals;
pub use connection::{Answer, Connection};
pub use drive::{Client, Outcome, Span, drive, histogram};
