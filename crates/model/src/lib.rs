//! What Forebay is about, without any I/O: orders and their validation, identities, routing, the shard map, the
//! bytes of COPY tuples, positions and receipts.
//!
//! This crate must never know tokio, NATS, Postgres clients or HTTP. Time and randomness are passed in, so everything
//! here is a pure function of its arguments.
//!
//! | module | concept |
//! |---|---|
//! | [`timestamp`] | instants in microseconds |
//! | [`id`] | customer ids, order ids, ids of events |
//! | [`tenant`] | whose orders they are, where several share a system |
//! | [`bucket`] | the 4096 buckets, and the hashes that lead to them |
//! | [`shard_id`] | which shard, and by which map |
//! | [`currency`] | what prices and sums are in |
//! | [`view`] | which fields of an order make views; the views of a system, and how they come and go |
//! | `key_hash` | the hashes by which facts are looked up and touched |
//! | [`lane`] | the kinds of facts: one table of what they are; the kinds of streams that they come by |
//! | [`request`] | the numbers of requests to ingest; which rows of a frame are of which |
//! | [`place`] | places in the logs: streams, positions, receipts, how far a shard's facts are derived |
//! | [`settings`] | what holds for the whole system: views, currency, limits of streams |
//! | [`ownership`] | which shard owns a part of the key space, and how that changes while orders flow |
//! | [`routing`] | where facts go: the shard map, which system it is of, and what changes in it |
//! | [`control`] | what a control frame of the log says |
//! | [`order`] | an order as it is accepted, and the parser that checks it completely; what is wrong with one, and where; the ids that Forebay assigns |
//! | [`event`] | what happens to an order, and what it becomes by that |
//! | [`tuple`] | facts as PostgreSQL binary COPY tuples, and the index of a payload of them |
//! | [`touched`] | what facts touch, as far as caches need it |
//! | [`fact`] | facts gathered as frames; what follows from a stored order: one pure function |

pub mod bucket;
pub mod control;
pub mod currency;
pub mod event;
pub mod fact;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod id;
mod key_hash;
pub mod lane;
pub mod order;
pub mod ownership;
pub mod place;
pub mod request;
pub mod routing;
pub mod settings;
pub mod shard_id;
pub mod tenant;
pub mod timestamp;
pub mod touched;
pub mod tuple;
pub mod view;

pub use bucket::{Bucket, Hash};
pub use control::Control;
pub use currency::Currency;
pub use event::{AmendedItems, Event, EventDraft, EventKind, EventParser, Status, StoredEvents, Worth};
pub use fact::Facts;
pub use fact::derive::Deriver;
pub use id::{CustomerId, EventId, OrderId};
pub use lane::{Lane, PerKind, PerLane, StreamKind};
pub use order::fault::{Fault, Rejection};
pub use order::identity::Identity;
pub use order::kind::OrderKind;
pub use order::stored::StoredOrder;
pub use order::{Draft, Order, OrderParser};
pub use place::{Accepted, DerivedThrough, Incarnation, Position, Receipt, StreamId};
pub use request::claim::{Claim, Claimant, Claims};
pub use request::{Owner, RequestId};
pub use routing::{
    Decision, Label, Labels, LastPlaces, Member, MoveQueue, NotDecided, Pace, ShardMap, Shares, StillNamed, Stopped,
    SystemId, Weighed,
};
pub use settings::SystemSettings;
pub use shard_id::{Epoch, ShardId};
pub use tenant::Tenant;
pub use timestamp::Timestamp;
pub use touched::Touched;
pub use tuple::{Tuple, TupleIndex, Tuples};
pub use view::state::{SystemView, SystemViews, ViewState};
pub use view::{DEFAULT_VIEWS, View, ViewError, ViewId, ViewSet, ViewSpec};
