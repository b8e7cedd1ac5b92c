//! Starts and stops the real servers that Forebay stands on (Postgres shards, NATS with JetStream, Redis) on this
//! machine: for `forebay up`, and for every test that touches a server.
//!
//! Two promises shape everything here. **What was started is stopped**: on `stop`, on drop, and also when the
//! process that started it is killed with `kill -9` (each server asks the kernel for a signal when its parent dies).
//! **A killed run leaves nothing that prevents the next**: a directory is owned by the process that holds its lock, and a new
//! owner first removes the processes and pid files that the last one left.
//!
//! It must never know orders, lanes, frames or tables, nor what the services are told beyond the servers' addresses and where
//! to listen.
//!
//! | module | concept |
//! |---|---|
//! | [`stack`](Stack) | the servers together: start, addresses, faults, replicas, stop; those that all tests of a run share; Redis servers that stand for one |
//! | [`server`](Server) | which servers there are, where their programs are, how each is laid out and started |
//! | [`service`](ServiceName) | Forebay's own services as processes on the servers |
//! | [`process`](Process) | one supervised child process of any kind: what to run, how to see it ready, signals, its children |
//! | [`home`](Home) | the directory: its lock, its place, what a killed run left in it |
//! | `account`, `ports` | the unprivileged user, free ports |

mod account;
mod home;
mod ports;
mod process;
mod server;
mod service;
mod stack;

pub use account::Account;
pub use home::{Home, claim, is_of_others, owner, postgres_found, wipe};
pub use ports::{PortInUse, free_ports, on_free_ports};
pub use process::program::Program;
pub use process::ready::Ready;
pub use process::signal::Signal;
pub use process::supervise::{Change, supervise};
pub use process::{Managed, Process};
pub use server::Server;
pub use server::installed::Installed;
pub use server::postgres::Durability;
pub use server::secrets::Secrets;
pub use service::{ServiceName, program};
pub use stack::shared::{SHARED_POSTGRES, Shared, TEST_STACK_VARIABLE, shared};
pub use stack::{RedisGroup, Stack, StackConfig};
