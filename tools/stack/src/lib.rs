//! Starts and stops the real servers that Forebay stands on (Postgres shards, NATS with JetStream, Redis) on this
//! machine: for `forebay up`, and for every test that touches a server.
//!
//! Two promises shape everything here. **What was started is stopped**: on `stop`, on drop, and also when the
//! process that started it is killed with `kill -9` (each server asks the kernel for a signal when its parent dies).
//! **A killed run leaves nothing that prevents the next**: a directory is owned by whoever holds its lock, and a new
//! owner first removes the processes and pid files that the last one left.
//!
//! It must never know orders, lanes, frames, tables or the services' settings: it hands out addresses.
//!
//! | module | concept |
//! |---|---|
//! | [`stack`](Stack) | the servers together: start, addresses, faults, stop |
//! | [`process`](Process) | one supervised child process, of any kind |
//! | [`program`](Program) | what to run: path, arguments, environment, account |
//! | [`ready`](Ready) | how to see that a process really answers |
//! | [`supervise`](supervise()) | whatever dies is started again |
//! | [`home`](Home) | the directory: its lock, its place, what a killed run left in it |
//! | [`installed`](Installed) | where the server programs are on this machine |
//! | `replica` | further Postgres servers that follow a shard's |
//! | `postgres`, `nats`, `redis` | how each server is laid out and started |
//! | `account`, `ports`, `signal`, `kin` | the unprivileged user, ports, signals, process trees |
//! | [`shared`](shared()) | the servers that all tests of a run share |

mod account;
mod home;
mod installed;
mod kin;
mod nats;
mod ports;
mod postgres;
mod process;
mod program;
mod ready;
mod redis;
mod replica;
mod shared;
mod signal;
mod stack;
mod supervise;

pub use account::Account;
pub use home::{Home, owner, wipe};
pub use installed::Installed;
pub use ports::{PortInUse, free_ports};
pub use process::{Managed, Process};
pub use program::Program;
pub use ready::Ready;
pub use shared::{SHARED_POSTGRES, Shared, TEST_STACK_VARIABLE, shared};
pub use signal::Signal;
pub use stack::{Durability, Server, Stack, StackConfig};
pub use supervise::{Change, supervise};
