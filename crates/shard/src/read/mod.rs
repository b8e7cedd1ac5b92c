//! Reading the lanes' tables: lists and single orders, by statements that stay cheap over many partitions.
//!
//! Every statement gives the lane's position and the rows together: one round trip, one snapshot.
//!
//! | module | concept |
//! |---|---|
//! | [`statement`] | statements over lists, single orders, many at once and totals |
//! | `scope` | what may be seen, and of that what is read |
//! | `said` | what a shard says of units, in the snapshot of rows |
//! | [`changes`] | what was stored, in the order of the log |
//! | [`eventful`] | the orders that events are about |
//! | [`order_key`] | which order |
//! | [`stored_order`] | whole orders with what facts follow from |
//! | [`stretch`] | orders by their place in the log |
//! | [`status`] | the status of orders, as it stands in rows and as it follows |
//! | `fate` | what became of a request |
//! | `derived_through` | how far facts are derived |
//! | `figures` | what the database says of itself |
//!
//! The SQL is public so that its plans can be looked at.

pub mod changes;
mod derived_through;
pub mod eventful;
mod fate;
mod figures;
pub mod order_key;
mod said;
mod scope;
pub mod statement;
pub mod status;
pub mod stored_order;
pub mod stretch;

pub use derived_through::DerivedAt;
pub use fate::{DeadOrder, LETTERS_MAX, Loss, RequestFate};
pub use figures::ShardFigures;
pub use said::{RowsOwnership, ShardOwnership};
pub use scope::{OtherSide, Scope, Sight, Subject, Unbound};
pub use statement::sql;
pub use statement::{
    Batch, Direction, Filter, Key, KeyRef, OrderOf, OrderRow, Period, Read, Rows, Span, Statement, SumRow, Summing,
    Window, Windows,
};
