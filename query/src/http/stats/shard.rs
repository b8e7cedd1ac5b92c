//! The statistics of one shard.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_api::stats::{LaneStats, ShardState, ShardStats};
use forebay_log::Log;
use forebay_model::{Lane, ShardId};
use forebay_shard::{LanePosition, Tally};
use futures::FutureExt;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::lag::Lag;
use crate::replica::shard::Shard;

/// What the database itself says.
struct Size {
    positions: Vec<LanePosition>,
    partitions: u64,
    bytes: u64,
}

/// Reads the figures of a shard.
pub(super) async fn read(shard: Arc<Shard>, log: Option<&Log>) -> ShardStats {
    let state = match shard.with_connection("stats", |connection| read_size(connection).boxed()).await {
        Ok(size) => up(shard.id(), size, log).await,
        Err(error) => {
            error.log();
            ShardState::Down { reason: error.to_string() }
        }
    };
    ShardStats { shard: shard.id(), state }
}

async fn up(shard: ShardId, size: Size, log: Option<&Log>) -> ShardState {
    let mut lanes = BTreeMap::new();
    for lane in Lane::ALL {
        let known = size.positions.iter().find(|known| known.lane == lane);
        let position = known.map(|known| known.position);
        let Tally { stored, duplicate, dead } = known.map(|known| known.rows).unwrap_or_default();
        let Lag { lag_frames, lag_seconds } = Lag::read(log, lane.on(shard), position).await;
        let position = position.map(|position| position.to_string());
        let (duplicates, dead_letters) = (duplicate, dead);
        lanes.insert(lane, LaneStats { stored, duplicates, dead_letters, position, lag_frames, lag_seconds });
    }
    let orders = lanes.get(&Lane::Orders).cloned().unwrap_or_default();
    ShardState::Up { orders, partitions: size.partitions, bytes: size.bytes, lanes }
}

async fn read_size(connection: &mut PgConnection) -> Result<Size, sqlx::Error> {
    const SQL: &str = "select (select count(*) from pg_inherits where inhparent = 'orders'::regclass) as partitions, \
        pg_database_size(current_database()) as bytes";
    let positions = LanePosition::all(connection).await?;
    let row = sqlx::query(SQL).fetch_one(connection).await?;
    let unsigned = |column| row.try_get::<i64, _>(column).map(i64::cast_unsigned);
    Ok(Size { positions, partitions: unsigned("partitions")?, bytes: unsigned("bytes")? })
}
