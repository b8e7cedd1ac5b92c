//! The rows of buckets on all shards, compared: by the comparison that is the gate of a move.

use std::collections::BTreeSet;

use anyhow::Result;
use forebay_log::Log;
use forebay_model::ownership::{State, Unit};
use forebay_model::{Bucket, ShardId, ShardMap, StreamKind};
use forebay_shard::ShardPool;
use forebay_shard::owner::UnitSnapshot;
use serde::Serialize;

use super::compare::compare;
use crate::control::lease_of;
use crate::settings::stored_map;
use crate::system::System;

/// A bucket's facts of one kind of streams, on all shards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BucketReport {
    /// Of which kind of streams.
    pub stream: StreamKind,
    /// Which bucket.
    pub bucket: Bucket,
    /// The shard that decides its rows, as the shards say; `null` for the moment in which a move leaves none.
    pub owner: Option<ShardId>,
    /// Each shard that says anything of it, or has rows.
    pub shards: Vec<BucketOnShard>,
    /// Rows that a shard has and the owner has not, or otherwise, and rows where none should be: a sentence each.
    pub differences: Vec<String>,
}

/// A bucket on a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BucketOnShard {
    /// Which shard.
    pub shard: ShardId,
    /// What it is to the bucket.
    pub state: &'static str,
    /// Its rows.
    pub rows: u64,
    /// Rows that the owner has, and this shard has not: where a move brings them.
    pub missing: usize,
}

/// Compares all rows of these buckets.
///
/// # Errors
/// Where a shard does not answer.
pub async fn compare_buckets(system: &System, log: &Log, buckets: &BTreeSet<Bucket>) -> Result<Vec<BucketReport>> {
    let map = stored_map(log).await?;
    let pools = system.pools(None, &super::plan::pool_settings())?;
    let mut reports = Vec::new();
    for &bucket in buckets {
        for stream in StreamKind::ALL {
            reports.push(report(&pools, &map, Unit::of(stream, bucket)).await?);
        }
    }
    Ok(reports)
}

async fn report(pools: &[ShardPool], map: &ShardMap, unit: Unit) -> Result<BucketReport> {
    let mut sides = Vec::new();
    for shard in map.shards() {
        let mut lease = lease_of(pools, shard).await?;
        let side = UnitSnapshot::read(&mut lease, map, shard, unit).await?;
        lease.done();
        sides.extend(side.map(|side| (shard, side)));
    }
    let owners: Vec<ShardId> =
        sides.iter().filter(|(_, side)| side.ownership.state.owns()).map(|(shard, _)| *shard).collect();
    let mut report = BucketReport {
        stream: unit.stream(),
        bucket: unit.bucket(),
        owner: owners.first().copied(),
        shards: Vec::new(),
        differences: Vec::new(),
    };
    if owners.len() > 1 {
        report.differences.push(format!("shards {owners:?} own it at once"));
    }
    // Between two owners the one that has released it has all there is.
    let is_base = |side: &UnitSnapshot| match report.owner {
        Some(_) => side.ownership.state.owns(),
        None => matches!(side.ownership.state, State::Released { .. }),
    };
    let base = sides.iter().find(|(_, side)| is_base(side)).cloned();
    for (shard, side) in &sides {
        let rows = side.sums.total().rows();
        if rows == 0 && side.ownership.state == State::None {
            continue;
        }
        let mut missing = 0;
        match &base {
            Some((of, base)) if of != shard && (rows > 0 || side.ownership.state.takes_copies()) => {
                let compared = compare(pools, unit, (*of, base), (*shard, side)).await?;
                missing = if side.ownership.state.takes_copies() { compared.missing.len() } else { 0 };
                let differs = |row| format!("shard {shard} has a row that shard {of} has not, or otherwise: {row}");
                report.differences.extend(compared.differing.into_iter().map(differs));
            }
            _ => {}
        }
        if rows > 0 && side.ownership.state == State::None {
            report.differences.push(format!("shard {shard} has {rows} rows of it, and never had to do with it"));
        }
        report.shards.push(BucketOnShard { shard: *shard, state: side.ownership.state.as_str(), rows, missing });
    }
    Ok(report)
}
