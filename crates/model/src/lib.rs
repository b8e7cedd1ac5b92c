//! What Forebay is about, without any I/O: orders and their validation, identities, routing, the shard map, the
//! bytes of COPY tuples, positions and receipts.
//!
//! This crate must never know tokio, NATS, Postgres clients or HTTP. Time and randomness are passed in, so everything
//! here is a pure function of its arguments.
//!
//! | module | concept |
//! |---|---|
//! | [`order`] | an order as it is accepted, and the parser that checks it completely; what is wrong with one, and where |
//! | [`event`] | what happens to an order, and what it becomes by that |
//! | [`id`] | customer ids, order ids, and the order ids that Forebay assigns |
//! | [`tenant`] | whose orders they are, where several share a system |
//! | [`timestamp`] | instants in microseconds |
//! | [`view`] | which fields of an order make views; the views of a system, and how they come and go |
//! | [`settings`] | what holds for the whole system: views, currency, limits of streams |
//! | [`system_id`] | which system it is |
//! | [`routing`] | where facts go: the 4096 buckets, the hashes that lead to them, the shard map |
//! | [`ownership`] | which shard owns a part of the key space, and how that changes while orders flow |
//! | [`control`] | what a control frame of the log says |
//! | [`lane`] | the kinds of facts: one table of what they are |
//! | [`fact`] | facts gathered as frames; what follows from a stored order: one pure function |
//! | [`tuple`] | facts as PostgreSQL binary COPY tuples, and the index of a payload of them |
//! | [`touched`] | what facts touch, as far as caches need it |
//! | [`request`] | the numbers of requests to ingest |
//! | [`claim`] | which rows of a frame are of which request |
//! | [`place`] | places in the logs: streams, positions, receipts, how far a shard's facts are derived |

pub mod claim;
pub mod control;
pub mod event;
pub mod fact;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod id;
pub mod lane;
pub mod order;
pub mod ownership;
mod per;
pub mod place;
pub mod request;
pub mod routing;
pub mod settings;
pub mod system_id;
pub mod tenant;
pub mod timestamp;
pub mod touched;
pub mod tuple;
pub mod view;

pub use claim::{Claim, Claimant, Claims};
pub use control::Control;
pub use event::{AmendedItems, Event, EventDraft, EventKind, EventParser, Status, StoredEvents, Worth};
pub use fact::Facts;
pub use fact::derive::{Deriver, StoredOrder};
pub use id::{CustomerId, EventId, OrderId};
pub use lane::{Lane, PerLane};
pub use order::currency::Currency;
pub use order::fault::{Fault, Rejection};
pub use order::identity::Identity;
pub use order::kind::OrderKind;
pub use order::{Draft, Order, OrderParser};
pub use place::{Accepted, DerivedThrough, Incarnation, PerKind, Position, Receipt, StreamId, StreamKind};
pub use request::{Owner, RequestId};
pub use routing::{
    Bucket, Decision, Epoch, Hash, Label, Labels, LastPlaces, Member, MoveQueue, NotDecided, Pace, ShardId, ShardMap,
    Shares, StillNamed, Stopped, Weighed,
};
pub use settings::SystemSettings;
pub use system_id::SystemId;
pub use tenant::Tenant;
pub use timestamp::Timestamp;
pub use touched::Touched;
pub use tuple::{Tuple, TupleIndex, Tuples};
pub use view::state::{SystemView, SystemViews, ViewState};
pub use view::{DEFAULT_VIEWS, View, ViewError, ViewId, ViewSet, ViewSpec};
