//! The statistics of one shard.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_api::stats::{LaneStats, ShardState, ShardStats};
use forebay_log::Log;
use forebay_model::{Lane, ShardId};
use forebay_shard::Tally;
use forebay_shard::read::ShardFigures;
use futures::FutureExt;

use super::lag::Lag;
use crate::replica::shard::Shard;

/// Reads the figures of a shard.
pub(super) async fn read(shard: Arc<Shard>, log: Option<&Log>) -> ShardStats {
    let state = match shard.with_connection("stats", |connection| ShardFigures::read(connection).boxed()).await {
        Ok(figures) => up(shard.id(), figures, log).await,
        Err(error) => {
            error.log();
            ShardState::Down { reason: error.to_string() }
        }
    };
    ShardStats { shard: shard.id(), state }
}

async fn up(shard: ShardId, figures: ShardFigures, log: Option<&Log>) -> ShardState {
    let mut lanes = BTreeMap::new();
    for lane in Lane::ALL {
        let known = figures.positions.iter().find(|known| known.lane == lane);
        let position = known.map(|known| known.position);
        let Tally { stored, duplicate, dead } = known.map(|known| known.rows).unwrap_or_default();
        let Lag { lag_frames, lag_seconds } = Lag::read(log, lane.on(shard), position).await;
        let position = position.map(|position| position.to_string());
        let (duplicates, dead_letters) = (duplicate, dead);
        lanes.insert(lane, LaneStats { stored, duplicates, dead_letters, position, lag_frames, lag_seconds });
    }
    let orders = lanes.get(&Lane::Orders).cloned().unwrap_or_default();
    ShardState::Up { orders, partitions: figures.partitions, bytes: figures.bytes, lanes }
}
