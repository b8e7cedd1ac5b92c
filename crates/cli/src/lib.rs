//! The `forebay` command: makes orders, sends files of them, prepares shards and shows how they are.
//!
//! Data goes to standard output, messages go to standard error. It talks to a running system as any client does, over
//! HTTP; only the commands for operators (`migrate`, `shards`, `index`, `dead`, `verify`, `log`) look at the log and the
//! databases themselves. It must never know how a service works inside.
//!
//! | module | concept |
//! |---|---|
//! | [`command`] | the command line |
//! | [`backfill`] | index entries and views for orders that are already stored |
//! | `fingerprint` | short names for long things |
//! | [`generate`] | plausible orders, the same for the same seed |
//! | [`replay`] | files of orders, sent to ingest |
//! | [`dead`] | what could not be stored, looked at, requeued and purged |
//! | [`verify`] | whether log, shards, index and views agree |
//! | [`log`] | the frames of a stream, and going on after a loss |
//! | [`migrate`] | tables, streams and the first shard map |
//! | [`shards`] | the shard map and each shard's figures |
//! | [`up`] | the local system, started, watched over and stopped |
//! | [`system`] | where the log and the shards are |
//! | `stored_order` | an order as a shard has it |
//! | `publish` | frames into the log, however long that takes |
//! | `columns` | facts by column, compared |
//! | `grouped`, `hex` | numbers and bytes for people |

pub mod backfill;
mod columns;
pub mod command;
pub mod dead;
mod fingerprint;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod generate;
mod grouped;
mod hex;
pub mod log;
pub mod migrate;
mod publish;
pub mod replay;
pub mod shards;
mod stored_order;
pub mod system;
pub mod up;
pub mod verify;

pub use command::main;
