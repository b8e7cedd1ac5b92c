//! Measures Forebay against what the servers under it can do: each figure beside a limit that is measured in the same run,
//! on the same machine, in turns.
//!
//! Nothing depends on this crate, and it must never know how the services do what they do: it starts them as processes,
//! talks HTTP to them, and looks into the tables that users may look into. What it knows of the model is what it needs to
//! give the limits the same tuples; of the log, how a frame gets into it, because small frames in any number are what ingest makes of many
//! clients, and as many clients would be what is measured; and of the shard, the statements of reads, because the limit of a read is what
//! `pgbench` gets out of the server with the very same ones, which no service shows.
//!
//! | module | concept |
//! |---|---|
//! | [`settings`] | the command line |
//! | [`scale`] | how much is measured: quick, or full |
//! | [`servers`] | the servers that everything is measured on |
//! | [`bench`](mod@bench) | what rows share |
//! | [`world`] | empty databases and streams, and services on them |
//! | [`dataset`] | orders as a file, and as the tuples that they become |
//! | [`figure`] | medians, ratios, targets; value and limit in turns |
//! | [`usage`] | CPU time and memory of processes |
//! | [`progress`] | how far the shards are, over time |
//! | [`load`] | clients: closed loop and open loop |
//! | [`limit`] | what the limits are measured with |
//! | [`rows`] | what is measured, a module for each family of rows |
//! | [`report`] | table, JSON, Markdown and plots |

#![allow(clippy::disallowed_methods, reason = "a tool is no service: its user sees what dies")]

pub mod bench;
pub mod dataset;
pub mod figure;
pub mod limit;
pub mod load;
pub mod progress;
pub mod report;
pub mod rows;
pub mod scale;
pub mod servers;
pub mod settings;
pub mod usage;
pub mod world;

pub use bench::Bench;
pub use figure::Figure;
pub use figure::line::{Line, Target, Unit};
