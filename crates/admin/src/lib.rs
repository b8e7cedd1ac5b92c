//! What operators do to a running system: jobs that any process can run, stop and run again.
//!
//! They look at the log and the shards themselves, beside the services that work there. Each takes plain settings and gives a
//! typed report; what there is to know meanwhile it tells as events. They must never know a command line, nor print, nor SQL,
//! nor how a service works inside.
//!
//! | module | concept |
//! |---|---|
//! | [`system`] | where the log and the shards are |
//! | [`migrate`] | tables, streams and the first shard map |
//! | [`members`] | shards that come, or are elsewhere |
//! | [`moves`] | units from one shard to another |
//! | [`settings`] | what holds for the whole system, read and changed |
//! | [`audit`] | the record of what operators do |
//! | [`keys`] | API keys, in the clients file |
//! | [`views`] | the views of the system, added and dropped |
//! | `control` | decisions of the map, put in force: frames into the log, and waiting for what other processes do |
//! | [`shards`] | the shard map and each shard's figures |
//! | [`verify`] | whether log, shards, index and views agree |
//! | [`backfill`] | index entries and views for orders that are already stored |
//! | [`dead`] | what could not be stored, looked at, requeued and purged |
//! | [`log`] | the frames of a stream, and going on after a loss |
//! | [`doctor`] | whether a system is set up so that it can keep its promises |
//! | `facts` | facts as a shard has them: an order, its columns, what is owed of it |
//! | [`room`] | room on the disks of shards |
//! | `hex` | bytes as text |

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod audit;
pub mod backfill;
mod control;
pub mod dead;
pub mod doctor;
mod facts;
mod hex;
pub mod keys;
pub mod log;
pub mod members;
pub mod migrate;
pub mod moves;
pub mod room;
pub mod settings;
pub mod shards;
pub mod system;
pub mod verify;
pub mod views;

/// Who is told what there is to know while a job runs.
pub type Tell<'a, E> = &'a (dyn Fn(E) + Sync);
