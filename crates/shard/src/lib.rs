//! One Postgres shard: where it is, its tables, connections for reading it, and the one way by which facts are written.
//!
//! This crate must never know NATS, HTTP, or what a service is. It knows the model, Postgres, and that a frame of the log
//! is a run of COPY tuples. It works on one shard at a time and never knows another one's state.
//!
//! | module | concept |
//! |---|---|
//! | [`audit`] | the record of what operators have done |
//! | [`connection`] | where the shards are; one connection: which address, whose database, what time, which settings, what an error means; of which system they all are |
//! | `step` | one answer of the server, within a bound, and what its failure means |
//! | [`migrate`](mod@migrate) | the tables, brought up to this version |
//! | [`frame`] | a frame of the log, to be committed |
//! | [`store`] | how the facts of one stream are written |
//! | [`owner`] | whose units are, and what that means for rows |
//! | `sum_table` | the tables of what orders come to |
//! | [`place`] | where in the log a row was first stored |
//! | [`control`] | what control frames have said |
//! | [`dropped_view`] | the rows of a view that was dropped |
//! | [`derived`] | how far facts are derived for each shard that they go to |
//! | [`partition`] | partitions by time |
//! | [`dead_letter`] | what could not be stored |
//! | [`loss`] | going on although the log has lost something |
//! | [`pool`] | connections for reading; which server is the primary, and which one answers in its place |
//! | [`read`] | lists and single orders: the statements, their parameters and rows |
//! | [`check`] | what a check of a shard reads: one moment of it, page by page |
//! | [`job`] | what jobs ask of a shard and keep there |
//! | [`database`] | what a server says of itself and of its database |
//! | [`position`] | how far a stream has come, and what became of its rows |
//! | [`timestamptz`] | instants as parameters and columns |

pub mod audit;
pub mod check;
pub mod connection;
pub mod control;
pub mod database;
pub mod dead_letter;
pub mod derived;
pub mod dropped_view;
pub mod frame;
pub mod job;
pub mod loss;
pub mod migrate;
pub mod owner;
pub mod partition;
pub mod place;
pub mod pool;
pub mod position;
pub mod read;
mod step;
pub mod store;
mod sum_table;
pub mod timestamptz;

pub use connection::address::{AddressError, ShardAddress, ShardAddresses};
pub use connection::identity::Identity;
pub use connection::list::{ShardArgs, ShardList};
pub use connection::session::ConnectError;
pub use connection::sqlstate::ErrorClass;
pub use connection::system::{IdentityError, system_of};
pub use control::ViewsInForce;
pub use dead_letter::{DeadLetter, DeadRows, LetterFilter, Reason};
pub use derived::{Derived, DerivedNote, Published};
pub use frame::{IndexedFrame, LogFrame};
pub use loss::AcceptedLoss;
pub use migrate::{MigrationError, MigrationState, TABLES_VERSION, migrate};
pub use owner::{SentOn, Waiting};
pub use partition::{Build, Granularity, Merger, Period, StatusIndexes, Swap, Touch};
pub use place::PlaceLog;
pub use pool::{Budget, Lease, OfShards, PoolSettings, ShardError, ShardPool, ShardPools, ShardServer, Work};
pub use position::{StreamPosition, Tally};
pub use step::StoreError;
pub use store::{CommitError, Committed, Comparison, Difference, Disagreement, StoreSettings, StreamStore};
pub use timestamptz::Timestamptz;
