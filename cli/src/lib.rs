//! The `forebay` command: makes orders, sends files of them, prepares shards and shows how they are.
//!
//! Data goes to standard output, messages go to standard error. It talks to a running system as any client does, over
//! HTTP; only `migrate`, `shards` and `index` look at the log and the databases themselves. It must never know how a service
//! works inside.
//!
//! | module | concept |
//! |---|---|
//! | [`command`] | the command line |
//! | [`backfill`] | index entries and views for orders that are already stored |
//! | `fingerprint` | short names for long things |
//! | [`generate`] | plausible orders, the same for the same seed |
//! | [`replay`] | files of orders, sent to ingest |
//! | [`migrate`] | tables, streams and the first shard map |
//! | [`shards`] | the shard map and each shard's figures |
//! | [`up`] | the local system, started, watched over and stopped |
//! | [`system`] | where the log and the shards are |
//! | `grouped` | numbers for people |

pub mod backfill;
pub mod command;
mod fingerprint;
pub mod generate;
mod grouped;
pub mod migrate;
pub mod replay;
pub mod shards;
pub mod system;
pub mod up;

pub use command::main;
