//! What Forebay is about, without any I/O: orders and their validation, identities, routing, the shard map, the
//! bytes of COPY tuples, positions and receipts.
//!
//! This crate must never know tokio, NATS, Postgres clients or HTTP. Time and randomness are passed in, so everything
//! here is a pure function of its arguments.
//!
//! | module | concept |
//! |---|---|
//! | [`order`] | an order as it is accepted, and the parser that checks it completely |
//! | [`fault`] | what is wrong with an order, and where |
//! | [`currency`] | what an order's prices are in |
//! | [`tenant`] | whose orders they are, where several share a system |
//! | [`id`] | customer ids, order ids, and the order ids that Forebay assigns |
//! | [`timestamp`] | instants in microseconds |
//! | [`bucket`] | the 4096 buckets, and the hashes that lead to them |
//! | [`shard_map`] | which shard a bucket is written to and read from |
//! | [`lane`] | the kinds of facts: one table of what they are |
//! | [`stream`] | which log: what was logged, or what was derived, on a shard |
//! | [`derived`] | how far a shard's facts are derived for another |
//! | [`tuple`] | facts as PostgreSQL binary COPY tuples, and the index of a payload of them |
//! | [`touched`] | what facts touch, as far as caches need it |
//! | [`identity`] | an order's identity, read from its tuple |
//! | [`fact`] | facts gathered as frames, by where they go |
//! | [`derive`] | the facts that follow from a stored order: one pure function |
//! | [`view`] | which fields of an order make views |
//! | [`position`] | places in a log |
//! | [`receipt`] | where in the logs a request lies |

pub mod bucket;
pub mod currency;
pub mod derive;
pub mod derived;
pub mod fact;
pub mod fault;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod id;
pub mod identity;
pub mod lane;
pub mod order;
mod passthrough;
mod per;
pub mod position;
pub mod receipt;
pub mod shard_map;
pub mod stream;
pub mod tenant;
pub mod timestamp;
mod touch_key;
pub mod touched;
pub mod tuple;
pub mod view;

pub use bucket::{Bucket, Hash};
pub use currency::Currency;
pub use derive::{Deriver, StoredOrder};
pub use derived::DerivedThrough;
pub use fact::Facts;
pub use fault::{Fault, Rejection};
pub use id::{CustomerId, OrderId};
pub use identity::Identity;
pub use lane::{Lane, PerLane};
pub use order::{Draft, Order, OrderParser};
pub use position::{Incarnation, Position};
pub use receipt::Receipt;
pub use shard_map::{Epoch, ShardId, ShardMap};
pub use stream::{PerKind, StreamId, StreamKind};
pub use tenant::Tenant;
pub use timestamp::Timestamp;
pub use touched::Touched;
pub use tuple::{Tuple, TupleIndex, Tuples};
pub use view::{DEFAULT_VIEWS, ViewSet, ViewSpec};
