//! What is measured: a module for each family of rows of the table.
//!
//! | module | concept |
//! |---|---|
//! | `writes` | rows that store orders |
//! | `reads` | rows that read them |
//! | `memory` | both at once |
//! | `cost` | what an order costs |
//! | `one_core` | all services as one process |

mod cost;
mod memory;
mod one_core;
mod reads;
mod writes;

use anyhow::Result;

use crate::bench::Bench;
use crate::figure::line::Line;
use reads::{cached, export, page, status, uncached};
use writes::{ack, again, backlog, events, post, readable, replay, shards, stored, verify};

/// A row, which may have several lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// A file to committed rows, lane `orders` only.
    ReplayOrders,
    /// A file to committed rows, in all lanes.
    Replay,
    /// What is in the log to committed rows.
    Backlog,
    /// A file for the second time.
    Again,
    /// Whether all that is in the log is stored.
    Verify,
    /// Single orders over many connections.
    Post,
    /// Single orders over one connection.
    Ack,
    /// From the request to the order in a customer's list, and in a seller's.
    Readable,
    /// A customer's list from the caches.
    Cached,
    /// A customer's list from a shard.
    Uncached,
    /// A range of time as NDJSON.
    Export,
    /// A customer's list, with what has become of the orders.
    Status,
    /// What happens to orders, by the file and one by one.
    Events,
    /// Memory under load.
    Memory,
    /// Processor time and bytes of an order.
    Cost,
    /// `forebay serve` beside the three processes.
    OneCore,
    /// A page of all customers' orders over many partitions.
    Page,
    /// A file to tables that are not empty.
    Stored,
    /// A file to more and more shards.
    Shards,
}

impl Row {
    /// Every row, in the order of the table. Rows that use the same orders stand together.
    pub const ALL: [Self; 19] = [
        Self::ReplayOrders,
        Self::Replay,
        Self::Backlog,
        Self::Again,
        Self::Verify,
        Self::Post,
        Self::Ack,
        Self::Readable,
        Self::Cached,
        Self::Uncached,
        Self::Export,
        Self::Memory,
        Self::Status,
        Self::Events,
        Self::Cost,
        Self::OneCore,
        Self::Shards,
        Self::Page,
        Self::Stored,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReplayOrders => "replay-orders",
            Self::Replay => "replay",
            Self::Backlog => "backlog",
            Self::Again => "again",
            Self::Verify => "verify",
            Self::Post => "post",
            Self::Ack => "ack",
            Self::Readable => "readable",
            Self::Cached => "cached",
            Self::Uncached => "uncached",
            Self::Export => "export",
            Self::Status => "status",
            Self::Events => "events",
            Self::Memory => "memory",
            Self::Cost => "cost",
            Self::OneCore => "one-core",
            Self::Page => "page",
            Self::Stored => "stored",
            Self::Shards => "shards",
        }
    }

    /// Whether it takes too long for a quick run.
    pub const fn is_long(self) -> bool {
        matches!(
            self,
            Self::Status | Self::Events | Self::Cost | Self::OneCore | Self::Page | Self::Stored | Self::Shards
        )
    }

    /// Whether it reads the orders that the row before has left.
    pub const fn reads_the_same(self) -> bool {
        matches!(self, Self::Cached | Self::Uncached | Self::Export | Self::Memory)
    }

    /// Measures it.
    ///
    /// # Errors
    /// Whatever keeps it from being measured: an answer that should not be is an error, and not a slow one.
    pub async fn measure(self, bench: &mut Bench) -> Result<Vec<Line>> {
        match self {
            Self::ReplayOrders => replay::orders_only(bench).await,
            Self::Replay => replay::all_lanes(bench).await,
            Self::Backlog => backlog::lines(bench).await,
            Self::Again => again::lines(bench).await,
            Self::Verify => verify::lines(bench).await,
            Self::Post => post::lines(bench).await,
            Self::Ack => ack::lines(bench).await,
            Self::Readable => readable::lines(bench).await,
            Self::Cached => cached::lines(bench).await,
            Self::Uncached => uncached::lines(bench).await,
            Self::Export => export::lines(bench).await,
            Self::Status => status::lines(bench).await,
            Self::Events => events::lines(bench).await,
            Self::Memory => memory::lines(bench).await,
            Self::Cost => cost::lines(bench).await,
            Self::OneCore => one_core::lines(bench).await,
            Self::Page => page::lines(bench).await,
            Self::Stored => stored::lines(bench).await,
            Self::Shards => shards::lines(bench).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<&str> = Row::ALL.iter().map(|row| row.name()).collect();
        assert_eq!(names.len(), Row::ALL.len());
    }
}
