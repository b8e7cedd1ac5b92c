//! What is checked, and how far it has come.

use std::time::Duration;

use forebay_model::{ShardId, StreamKind};
use forebay_shard::check::Portion;

/// What is checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How much is looked at.
    pub depth: Depth,
    /// Only this shard.
    pub shard: Option<ShardId>,
    /// The longest to wait for a stream to be read up to what it held, and for what is owed to be derived.
    pub wait: Duration,
}

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Every frame that is kept, every order, every view and every index entry.
    Full,
    /// About N orders, views and index entries of each shard, at random, and a tenth as many frames of each stream.
    Sample(u32),
}

impl Depth {
    /// The rows that are read of a table that has `of`.
    pub(super) const fn portion(self, of: u64) -> Portion {
        match self {
            Self::Full => Portion::All,
            Self::Sample(rows) => Portion::About { rows, of },
        }
    }
}

/// What is looked at now, or how far it has come.
#[derive(Clone, Copy, Debug)]
pub enum CheckStage {
    /// The log and the counters of a stream.
    Stream(StreamKind),
    /// The orders, and what belongs to them.
    Orders,
    /// A part of the orders has been checked.
    OrdersChecked {
        /// How many.
        checked: u64,
        /// How many there are.
        of: u64,
    },
    /// The times that are noted of orders.
    Times,
    /// Views and index entries, and what they belong to.
    Origins,
}
