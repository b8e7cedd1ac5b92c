//! Reading the lanes' tables: lists and single orders, by statements that stay cheap over many partitions.
//!
//! Every statement gives the lane's position and the rows together: one round trip, one snapshot.
//!
//! | module | concept |
//! |---|---|
//! | `statement` | a statement with its parameters, and running it on a server |
//! | [`sql`] | its text |
//! | `batch` | many orders at once |
//! | `windows`, `window` | the parts of time that statements are over |
//! | `scope` | what may be seen, and of that what is read |
//! | `key` | the total order of lists |
//! | `row` | rows as they come |
//! | `said` | what a shard says of units, in the snapshot of rows |
//! | [`changes`] | what was stored, in the order of the log |
//! | [`eventful`] | the orders that events are about |
//! | [`stored_order`] | whole orders with what facts follow from |
//! | [`stretch`] | orders by their place in the log |
//! | [`status`] | the status of orders, as it stands in rows and as it follows |
//! | `sums` | totals |
//! | `filter` | which orders of a list are wanted |
//! | `fate` | what became of a request |
//! | `derived_through` | how far facts are derived |
//! | `figures` | what the database says of itself |
//!
//! The SQL is public so that its plans can be looked at.

mod batch;
pub mod changes;
mod derived_through;
pub mod eventful;
mod fate;
mod figures;
mod filter;
mod key;
mod row;
mod said;
mod scope;
pub mod sql;
mod statement;
pub mod status;
pub mod stored_order;
pub mod stretch;
mod sums;
mod window;
mod windows;

pub use batch::{Batch, OrderOf};
pub use derived_through::DerivedAt;
pub use fate::{DeadOrder, LETTERS_MAX, Loss, RequestFate};
pub use figures::ShardFigures;
pub use filter::Filter;
pub use key::{Direction, Key, KeyRef, Span};
pub use row::OrderRow;
pub use said::{Said, UnitsSaid};
pub use scope::{OtherSide, Scope, Sight, Subject, Unbound};
pub use statement::{Read, Rows, Statement};
pub use sums::{Period, SumRow, Summing};
pub use window::Window;
pub use windows::Windows;
