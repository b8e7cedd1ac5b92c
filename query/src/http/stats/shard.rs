//! The statistics of one shard.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_log::Log;
use forebay_model::{Lane, Position, ShardId};
use forebay_shard::{LanePosition, Tally};
use futures::FutureExt;
use serde::Serialize;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::lag::Lag;
use crate::replica::shard::Shard;

/// One shard: its figures, or why there are none.
#[derive(Debug, Serialize)]
pub(super) struct ShardStats {
    shard: ShardId,
    #[serde(flatten)]
    state: State,
}

#[derive(Debug, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum State {
    Up {
        /// The figures of lane `orders`.
        #[serde(flatten)]
        orders: LaneStats,
        /// Partitions of the table of orders.
        partitions: u64,
        /// Bytes of the database on disk.
        bytes: u64,
        lanes: BTreeMap<Lane, LaneStats>,
    },
    Down {
        reason: String,
    },
}

#[derive(Clone, Debug, Default, Serialize)]
struct LaneStats {
    /// Facts stored.
    #[serde(rename = "orders")]
    stored: u64,
    duplicates: u64,
    dead_letters: u64,
    /// The last frame that is committed, as `incarnation.sequence`; null before the first commit.
    position: Option<String>,
    #[serde(flatten)]
    lag: Lag,
}

/// What the database itself says.
struct Size {
    positions: Vec<LanePosition>,
    partitions: u64,
    bytes: u64,
}

impl ShardStats {
    pub(super) fn orders(&self) -> u64 {
        self.of_orders(|lane| lane.stored)
    }

    pub(super) fn duplicates(&self) -> u64 {
        self.of_orders(|lane| lane.duplicates)
    }

    pub(super) fn dead_letters(&self) -> u64 {
        self.of_orders(|lane| lane.dead_letters)
    }

    fn of_orders(&self, figure: impl FnOnce(&LaneStats) -> u64) -> u64 {
        match &self.state {
            State::Up { orders, .. } => figure(orders),
            State::Down { .. } => 0,
        }
    }
}

/// Reads the figures of a shard.
pub(super) async fn read(shard: Arc<Shard>, log: Option<&Log>) -> ShardStats {
    let state = match shard.with_connection("stats", |connection| read_size(connection).boxed()).await {
        Ok(size) => up(shard.id(), size, log).await,
        Err(error) => {
            error.log();
            State::Down { reason: error.to_string() }
        }
    };
    ShardStats { shard: shard.id(), state }
}

async fn up(shard: ShardId, size: Size, log: Option<&Log>) -> State {
    let mut lanes = BTreeMap::new();
    for lane in Lane::ALL {
        let known = size.positions.iter().find(|known| known.lane == lane);
        let position = known.map(|known| known.position);
        let lag = Lag::read(log, lane, shard, position).await;
        lanes.insert(lane, LaneStats::new(known.map(|known| known.rows).unwrap_or_default(), position, lag));
    }
    let orders = lanes.get(&Lane::Orders).cloned().unwrap_or_default();
    State::Up { orders, partitions: size.partitions, bytes: size.bytes, lanes }
}

impl LaneStats {
    fn new(rows: Tally, position: Option<Position>, lag: Lag) -> Self {
        Self {
            stored: rows.stored,
            duplicates: rows.duplicate,
            dead_letters: rows.dead,
            position: position.map(|position| position.to_string()),
            lag,
        }
    }
}

async fn read_size(connection: &mut PgConnection) -> Result<Size, sqlx::Error> {
    const SQL: &str = "select (select count(*) from pg_inherits where inhparent = 'orders'::regclass) as partitions, \
        pg_database_size(current_database()) as bytes";
    let positions = LanePosition::all(connection).await?;
    let row = sqlx::query(SQL).fetch_one(connection).await?;
    let unsigned = |column| row.try_get::<i64, _>(column).map(i64::cast_unsigned);
    Ok(Size { positions, partitions: unsigned("partitions")?, bytes: unsigned("bytes")? })
}
