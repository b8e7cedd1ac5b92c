//! What the limits are measured with: Postgres and NATS without Forebay, and Forebay's HTTP without what is behind it.
//!
//! | module | concept |
//! |---|---|
//! | [`compare`] | COPY into a staging table, and a join with what is stored |
//! | [`copy`] | COPY into the tables, and out of them |
//! | [`pgbench`] | the statements of reads, by Postgres' own load generator |
//! | [`publish`] | a synced publish by a bare NATS client |
//! | [`process`] | the servers below, started as processes |
//! | [`accepting`] | a server that takes orders and logs nothing |
//! | [`constant`] | a server that always answers the same |

pub mod accepting;
pub mod compare;
pub mod constant;
pub mod copy;
pub mod pgbench;
pub mod process;
pub mod publish;
