//! Figures per shard: the answer of query's `GET /v1/stats`.

use std::collections::BTreeMap;

use forebay_model::{Epoch, Lane, ShardId, StreamKind};
use serde::{Deserialize, Serialize};

use crate::streams::DerivedReport;
use crate::totals::Total;

/// The whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Stats {
    /// Orders that are stored, over the shards that are up.
    pub orders: u64,
    /// The shards that are not up: what they hold is in no sum.
    #[cfg_attr(test, schemars(with = "Vec<u16>"))]
    pub shards_missing: Vec<ShardId>,
    /// Orders that came again.
    pub duplicates: u64,
    /// Orders that could not be stored.
    pub dead_letters: u64,
    /// What the stored orders come to, by currency.
    pub totals: Vec<Total>,
    /// Whether every shard is up, holds everything that is logged for it, and owes nothing of what follows from that.
    pub drained: bool,
    /// Each shard.
    pub shards: Vec<ShardStats>,
    /// How the cache does.
    pub cache: CacheStats,
    /// The shard map's version; null while it is not known.
    #[cfg_attr(test, schemars(with = "Option<u64>"))]
    pub epoch: Option<Epoch>,
}

/// One shard: its figures, or why there are none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ShardStats {
    /// Its number.
    #[cfg_attr(test, schemars(with = "u16"))]
    pub shard: ShardId,
    /// How it is.
    #[serde(flatten)]
    pub state: ShardState,
}

/// How a shard is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum ShardState {
    /// It answers.
    Up {
        /// The figures of lane `orders`.
        #[serde(flatten)]
        orders: LaneStats,
        /// How far its logged stream is, by which orders come.
        #[serde(flatten)]
        logged: StreamStats,
        /// What its orders come to, by currency.
        totals: Vec<Total>,
        /// Partitions of the table of orders.
        partitions: u64,
        /// Bytes of the database on disk.
        bytes: u64,
        /// The figures of every lane.
        #[cfg_attr(test, schemars(with = "LaneFigures"))]
        lanes: BTreeMap<Lane, LaneStats>,
        /// How far each stream is.
        #[cfg_attr(test, schemars(with = "StreamFigures"))]
        streams: BTreeMap<StreamKind, StreamStats>,
        /// How far what follows from its orders is derived, for each shard that it goes to.
        derived: Vec<DerivedReport>,
    },
    /// It does not.
    Down {
        /// Why.
        reason: String,
    },
}

/// One lane of a shard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LaneStats {
    /// Facts stored.
    #[serde(rename = "orders")]
    pub stored: u64,
    /// Facts that came again.
    pub duplicates: u64,
    /// Facts that could not be stored.
    pub dead_letters: u64,
}

/// By the lane's name. Described under a name of its own, because some generators of clients lose what has none.
#[cfg(test)]
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "it is only described")]
struct LaneFigures(BTreeMap<String, LaneStats>);

/// By the stream's kind.
#[cfg(test)]
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "it is only described")]
struct StreamFigures(BTreeMap<String, StreamStats>);

/// How far one stream of a shard is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StreamStats {
    /// The last frame that is committed, as `incarnation.sequence`; null before the first commit.
    pub position: Option<String>,
    /// Frames that are logged and not yet in the shard; null where the log does not say.
    pub lag_frames: Option<u64>,
    /// The age of the oldest of those frames.
    pub lag_seconds: Option<f64>,
}

/// How the cache of a query process does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CacheStats {
    /// Answers from it.
    pub hits: u64,
    /// Answers from Postgres.
    pub misses: u64,
    /// Hits of hits and misses; null before the first.
    pub rate: Option<f64>,
    /// Hits in this process's memory.
    pub l1: u64,
    /// Hits in Redis.
    pub redis: u64,
    /// Answers that the cache had no part in.
    pub bypassed: u64,
}

impl ShardStats {
    /// What its orders come to; nothing where it is down.
    pub fn totals(&self) -> &[Total] {
        match &self.state {
            ShardState::Up { totals, .. } => totals,
            ShardState::Down { .. } => &[],
        }
    }

    /// Whether it holds everything that is logged for it, and owes nothing of what follows from that.
    pub fn is_drained(&self) -> bool {
        match &self.state {
            ShardState::Up { streams, derived, .. } => {
                let is_level = |stream: &StreamStats| stream.lag_frames == Some(0);
                let is_paid = |target: &DerivedReport| target.frames_owed == Some(0);
                streams.values().all(is_level) && derived.iter().all(is_paid)
            }
            ShardState::Down { .. } => false,
        }
    }

    /// A figure of lane `orders`; 0 where the shard is down.
    pub fn of_orders(&self, figure: impl FnOnce(&LaneStats) -> u64) -> u64 {
        match &self.state {
            ShardState::Up { orders, .. } => figure(orders),
            ShardState::Down { .. } => 0,
        }
    }
}
