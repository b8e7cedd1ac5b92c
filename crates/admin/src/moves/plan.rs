//! Which units are to move where: what is asked for, and what the buckets weigh.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Context, Result};
use forebay_model::ownership::Unit;
use forebay_model::{Bucket, Lane, ShardId, ShardMap, Shares, StreamKind, Weighed};
use forebay_service::BadSetting;
use forebay_shard::job::{BucketLoad, bucket_loads};
use forebay_shard::{PoolSettings, ShardPool};
use futures::future::try_join_all;
use serde::Serialize;

use crate::control::pool_of;
use crate::system::System;

pub use forebay_shard::job::Measure;

/// What is asked for.
#[derive(Clone, Debug)]
pub enum Ask {
    /// These buckets, from one shard to another.
    Move {
        /// Which.
        buckets: Buckets,
        /// The shard that has them.
        from: ShardId,
        /// The shard that is to have them.
        to: ShardId,
    },
    /// As many that each shard has its share.
    Rebalance {
        /// What is shared out.
        by: Measure,
        /// What each shard is to have, in proportion; `None`: all the same.
        shares: Option<Shares>,
    },
    /// Everything that a shard has.
    Drain(ShardId),
}

/// Buckets that are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Buckets {
    /// A number of them: the first that the shard has.
    Count(u16),
    /// These.
    These(BTreeSet<Bucket>),
}

/// What is to be done, and what would stop it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Plan {
    /// What is to move.
    pub moves: Vec<PlannedMove>,
    /// What is under way already, of what is asked for.
    #[serde(skip)]
    pub going: Vec<(Unit, ShardId)>,
    /// How many of these there are.
    pub under_way: usize,
    /// What each shard has before and after.
    pub shards: Vec<PlannedShard>,
    /// Rows that move.
    pub rows: u64,
    /// Their bytes, as far as that can be told beforehand.
    pub bytes: u64,
    /// What stops it: a sentence each.
    pub obstacles: Vec<String>,
}

/// A unit that is to move.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PlannedMove {
    /// By which kind of streams its facts come.
    pub stream: StreamKind,
    /// Its bucket.
    pub bucket: Bucket,
    /// The shard that has it.
    pub from: ShardId,
    /// The shard that is to have it.
    pub to: ShardId,
    /// Its rows.
    pub rows: u64,
    /// Their bytes, about.
    pub bytes: u64,
}

/// What a shard has before and after.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PlannedShard {
    /// Which.
    pub shard: ShardId,
    /// Buckets of customers now.
    pub buckets: usize,
    /// Buckets of customers afterwards.
    pub buckets_after: usize,
    /// Rows now.
    pub rows: u64,
    /// Rows afterwards.
    pub rows_after: u64,
    /// Bytes that come, about.
    pub bytes_come: u64,
}

/// What units have.
type Loads = BTreeMap<Unit, BucketLoad>;

impl PlannedMove {
    /// What moves.
    pub const fn unit(&self) -> Unit {
        Unit::of(self.stream, self.bucket)
    }
}

impl Plan {
    /// What follows from what is asked for, as things are now. What stops it is still to be looked for.
    pub(super) async fn make(system: &System, map: &ShardMap, ask: &Ask) -> Result<Self> {
        let pools = system.pools(None, &pool_settings())?;
        let mut plan = Self::default();
        let wanted: Vec<(Unit, ShardId)>;
        let loads;
        match ask {
            Ask::Move { buckets, from, to } => {
                let buckets = match buckets {
                    Buckets::These(these) => these.clone(),
                    Buckets::Count(count) => first_of(map, *from, usize::from(*count))?,
                };
                let units: Vec<Unit> =
                    buckets.iter().flat_map(|&bucket| StreamKind::ALL.map(|stream| Unit::of(stream, bucket))).collect();
                wanted = plan.asked(map, &units, *from, *to)?;
                loads = loads_of(&pools, map, Measure::Rows, Some(&buckets)).await?;
            }
            Ask::Rebalance { by, shares } => {
                loads = loads_of(&pools, map, *by, None).await?;
                let shares = shares.clone().unwrap_or_else(|| even(map));
                let sharing = StreamKind::ALL.map(|stream| (stream, weighed(map, stream, &loads).rebalance(&shares)));
                wanted = can_wait(map, sharing);
                plan.going = under_way(map);
            }
            Ask::Drain(shard) => {
                loads = loads_of(&pools, map, Measure::Rows, None).await?;
                let shares = even(map);
                let draining =
                    StreamKind::ALL.map(|stream| (stream, weighed(map, stream, &loads).drain(*shard, &shares)));
                wanted = can_wait(map, draining);
                plan.going = under_way(map)
                    .into_iter()
                    .filter(|(unit, _)| map.shard(unit.stream(), unit.bucket()) == *shard)
                    .collect();
            }
        }
        plan.under_way = plan.going.len();
        let planned = |(unit, to): (Unit, ShardId)| {
            let BucketLoad { rows, bytes, .. } = loads.get(&unit).copied().unwrap_or_default();
            let (stream, bucket) = (unit.stream(), unit.bucket());
            PlannedMove { stream, bucket, from: map.shard(stream, bucket), to, rows, bytes }
        };
        plan.moves = wanted.into_iter().map(planned).collect();
        plan.rows = plan.moves.iter().map(|of| of.rows).sum();
        plan.bytes = plan.moves.iter().map(|of| of.bytes).sum();
        plan.shards = map.shards().map(|shard| plan.of_shard(map, shard, &loads)).collect();
        Ok(plan)
    }

    /// The units among these that are to move; those that go there already are watched, and what goes elsewhere stops it.
    fn asked(&mut self, map: &ShardMap, units: &[Unit], from: ShardId, to: ShardId) -> Result<Vec<(Unit, ShardId)>> {
        let mut wanted = Vec::new();
        let mut elsewhere = Vec::new();
        for &unit in units {
            let (at, goes_to) = (map.shard(unit.stream(), unit.bucket()), map.goes_to(unit));
            if at != goes_to && goes_to == to {
                self.going.push((unit, to));
            } else if at != goes_to || map.moving(unit).is_some_and(|entry| !entry.phase.is_owned()) {
                self.obstacles.push(format!("{} is under way from shard {at} to shard {goes_to}", name(unit)));
            } else if at == from {
                wanted.push((unit, to));
            } else if at != to {
                elsewhere.push(unit);
            }
        }
        // What follows from a bucket's keys may lie elsewhere than what clients said of them.
        if wanted.is_empty() && self.going.is_empty() && self.obstacles.is_empty() {
            let what = elsewhere.first().map_or_else(
                || format!("they are on shard {to} already"),
                |unit| format!("{} is on shard {}", name(*unit), map.shard(unit.stream(), unit.bucket())),
            );
            return Err(BadSetting::new(format!("none of these buckets is on shard {from}: {what}")).into());
        }
        Ok(wanted)
    }

    fn of_shard(&self, map: &ShardMap, shard: ShardId, loads: &Loads) -> PlannedShard {
        let is_here = |unit: &&Unit| map.shard(unit.stream(), unit.bucket()) == shard;
        let come = || self.moves.iter().filter(|of| of.to == shard);
        let go = || self.moves.iter().filter(|of| of.from == shard);
        let of_customers = |of: &&PlannedMove| of.stream == StreamKind::Logged;
        let buckets = Bucket::all().filter(|&bucket| map.shard(StreamKind::Logged, bucket) == shard).count();
        let rows: u64 = loads.iter().filter(|(unit, _)| is_here(unit)).map(|(_, load)| load.rows).sum();
        PlannedShard {
            shard,
            buckets,
            buckets_after: buckets + come().filter(of_customers).count() - go().filter(of_customers).count(),
            rows,
            rows_after: rows + come().map(|of| of.rows).sum::<u64>() - go().map(|of| of.rows).sum::<u64>(),
            bytes_come: come().map(|of| of.bytes).sum(),
        }
    }
}

/// Those of these that do not move as it is.
fn can_wait(map: &ShardMap, shared: [(StreamKind, Vec<(Bucket, ShardId)>); 2]) -> Vec<(Unit, ShardId)> {
    let units = shared
        .into_iter()
        .flat_map(|(stream, moves)| moves.into_iter().map(move |(bucket, to)| (Unit::of(stream, bucket), to)));
    let is_still = |unit: Unit| map.goes_to(unit) == map.shard(unit.stream(), unit.bucket());
    let is_over = |unit| map.moving(unit).is_none_or(|entry| entry.phase.is_owned());
    units.filter(|&(unit, _)| is_still(unit) && is_over(unit)).collect()
}

/// A unit, for people.
pub fn name(unit: Unit) -> String {
    format!("bucket {} ({})", unit.bucket(), unit.stream())
}

/// The first buckets of customers of a shard that do not move.
fn first_of(map: &ShardMap, shard: ShardId, count: usize) -> Result<BTreeSet<Bucket>> {
    let is_here = |bucket: &Bucket| {
        let unit = Unit::of(StreamKind::Logged, *bucket);
        map.goes_to(unit) == shard && map.moving(unit).is_none()
    };
    let first: BTreeSet<Bucket> = Bucket::all().filter(is_here).take(count).collect();
    if first.len() == count {
        return Ok(first);
    }
    Err(BadSetting::new(format!("shard {shard} has {} buckets that do not move, not {count}", first.len())).into())
}

/// What is under way or waits, with where it goes.
fn under_way(map: &ShardMap) -> Vec<(Unit, ShardId)> {
    let moving = map.moves().iter().filter(|entry| !entry.phase.is_owned() && map.goes_to(entry.unit) == entry.to);
    moving.map(|entry| (entry.unit, entry.to)).chain(map.queue().waiting()).collect()
}

/// The same for each shard but those that leave.
fn even(map: &ShardMap) -> Shares {
    map.staying().map(|shard| (shard, NonZeroU32::MIN)).collect()
}

/// The buckets of a kind of streams, where they go and what they weigh.
fn weighed(map: &ShardMap, stream: StreamKind, loads: &Loads) -> Weighed {
    Weighed::new(|bucket| {
        let unit = Unit::of(stream, bucket);
        (map.goes_to(unit), loads.get(&unit).map_or(0, |load| load.weight))
    })
}

/// What units have on the shards that own them: all, or those of some buckets.
async fn loads_of(
    pools: &[ShardPool],
    map: &ShardMap,
    measure: Measure,
    only: Option<&BTreeSet<Bucket>>,
) -> Result<Loads> {
    let reads = map.shards().map(async |shard| -> Result<_> {
        let mut connection = pool_of(pools, shard)?.acquire().await?;
        let mut of_shard = Vec::new();
        for lane in Lane::ALL {
            let read = bucket_loads(&mut connection, lane, measure, only).await;
            of_shard.push((lane, read.with_context(|| format!("shard {shard} does not tell what its buckets have"))?));
        }
        Ok((shard, of_shard))
    });
    let mut loads = Loads::new();
    for (shard, of_shard) in try_join_all(reads).await? {
        let of_lanes = of_shard.into_iter().flat_map(|(lane, of_lane)| of_lane.into_iter().map(move |of| (lane, of)));
        for (lane, (bucket, load)) in of_lanes {
            // Rows that a move has left behind, or brought too early, are not counted.
            if map.shard(lane.kind(), bucket) == shard {
                let sum = loads.entry(Unit::of(lane.kind(), bucket)).or_default();
                sum.rows += load.rows;
                sum.bytes += load.bytes;
                sum.weight += load.weight;
            }
        }
    }
    Ok(loads)
}

/// Tables may be large.
pub(super) fn pool_settings() -> PoolSettings {
    PoolSettings {
        application_name: "forebay-moves".to_owned(),
        connections_max: 4,
        acquire_timeout: Duration::from_secs(3),
        statement_timeout: Duration::from_mins(10),
        ..PoolSettings::default()
    }
}
