//! The statistics of one shard.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_api::stats::{LaneStats, ShardState, ShardStats, StreamStats};
use forebay_api::streams::DerivedReport;
use forebay_log::Log;
use forebay_model::{Lane, Position, ShardId, StreamId, StreamKind};
use forebay_shard::read::{ShardFigures, Unbound};
use forebay_shard::{StreamPosition, Tally};
use futures::FutureExt;

use super::lag::Lag;
use crate::answer::totals::Sums;
use crate::position::derivations::Derivations;
use crate::replica::shard::Shard;

/// Reads the figures of a shard.
pub(super) async fn read(
    shard: Arc<Shard>,
    unbound: Unbound,
    log: Option<&Log>,
    derivations: &Derivations,
) -> ShardStats {
    let figures = shard.with_connection("stats", &|connection| ShardFigures::read(connection, unbound).boxed()).await;
    let state = match figures {
        Ok(figures) => up(shard.id(), figures, log, derivations).await,
        Err(error) => {
            error.log();
            ShardState::Down { reason: error.to_string() }
        }
    };
    ShardStats { shard: shard.id(), state }
}

async fn up(shard: ShardId, figures: ShardFigures, log: Option<&Log>, derivations: &Derivations) -> ShardState {
    let known = |kind: StreamKind| figures.positions.iter().find(|known| known.stream == kind);
    let lanes: BTreeMap<Lane, LaneStats> = Lane::ALL.map(|lane| (lane, lane_stats(lane, known(lane.kind())))).into();
    let mut streams = BTreeMap::new();
    for kind in StreamKind::ALL {
        streams.insert(kind, stream_stats(log, kind.on(shard), known(kind).map(|known| known.position)).await);
    }
    let committed = known(StreamKind::Logged).map(|known| known.position);
    let derived = figures.derived.iter().map(|derived| DerivedReport {
        target: derived.target,
        through: derived.through.into(),
        // The note may have moved on since the position was read.
        frames_owed: committed.and_then(|committed| committed.frames_behind(derived.through)),
        owed_since: derivations.owed_since(shard, derived.target).map(|since| since.in_full().to_string()),
    });
    let mut sums = Sums::default();
    for sum in figures.sums {
        sums.add(sum);
    }
    ShardState::Up {
        orders: lanes.get(&Lane::Orders).copied().unwrap_or_default(),
        logged: streams.get(&StreamKind::Logged).cloned().unwrap_or_default(),
        totals: sums.into_totals(),
        partitions: figures.partitions,
        bytes: figures.bytes,
        derived: derived.collect(),
        lanes,
        streams,
    }
}

fn lane_stats(lane: Lane, known: Option<&StreamPosition>) -> LaneStats {
    let Tally { stored, duplicate, dead, .. } = known.map(|known| known.rows[lane]).unwrap_or_default();
    LaneStats { stored, duplicates: duplicate, dead_letters: dead }
}

async fn stream_stats(log: Option<&Log>, stream: StreamId, position: Option<Position>) -> StreamStats {
    let Lag { lag_frames, lag_seconds } = Lag::read(log, stream, position).await;
    StreamStats { position: position.map(|position| position.to_string()), lag_frames, lag_seconds }
}
