//! What operators ask for: which units go where, how fast, and that it stops. It is decided in the map; writers do it.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use anyhow::{Result, bail};
use forebay_log::Log;
use forebay_model::ownership::{Phase, Unit};
use forebay_model::{Bucket, Decision, NotDecided, Pace, ShardId, ShardMap};
use forebay_service::BadSetting;
use serde::Serialize;
use serde_json::{Value, json};

use super::plan::{Ask, Plan, name};
use super::preflight;
use crate::audit::recorded;
use crate::settings::{change_map, stored_map};
use crate::system::System;

/// How the pace is to change. What is `None` stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct PaceChange {
    /// Whether everything that can wait does.
    pub paused: Option<bool>,
    /// Rows that are copied from each shard in a second at most; 0: as many as the shards that they go to take.
    pub rows_per_s: Option<u32>,
    /// How long sources keep what others own now, in seconds.
    pub keep_s: Option<u32>,
}

/// What an abort has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Aborted {
    /// Units that do not move any more.
    pub forgotten: usize,
    /// Units that are turned back.
    pub turned_back: usize,
    /// Units that are decided for good: to bring them back is a move.
    pub too_late: usize,
}

/// What follows from what is asked for, with what stops it.
///
/// # Errors
/// [`BadSetting`] where it cannot be asked like that; where a shard does not tell what its buckets have.
pub async fn plan(system: &System, log: &Log, ask: &Ask) -> Result<Plan> {
    let map = stored_map(log).await?;
    check(system, &map, ask)?;
    let mut plan = Plan::make(system, &map, ask).await?;
    let obstacles = preflight::obstacles(system, log, &map, &plan).await?;
    plan.obstacles.extend(obstacles);
    Ok(plan)
}

/// Puts what is planned into the map's queue, at that pace. Writers go on with it, whatever becomes of the caller.
///
/// # Errors
/// Where something stops it: then nothing is changed.
pub async fn begin(system: &System, log: &Log, ask: &Ask, plan: &Plan, change: PaceChange) -> Result<Arc<ShardMap>> {
    let (command, asked) = recorded_as(ask);
    let work = async {
        let map = queue(log, plan).await?;
        if change.is_none() { Ok(map) } else { set(log, change).await }
    };
    let done =
        |map: &Arc<ShardMap>| json!({"epoch": map.epoch(), "queued_units": plan.moves.len(), "queued_rows": plan.rows});
    recorded(system, None, (command, asked), done, work).await
}

/// Changes the pace of all that moves.
///
/// # Errors
/// Where the map cannot be changed.
pub async fn set_pace(system: &System, log: &Log, change: PaceChange) -> Result<Arc<ShardMap>> {
    let command = if change.paused == Some(true) { "shards pause" } else { "shards resume" };
    let asked = json!({"rows_per_s": change.rows_per_s, "keep_s": change.keep_s});
    recorded(system, None, (command, asked), |map| json!({"epoch": map.epoch()}), set(log, change)).await
}

/// Takes out of the queue what has not begun, and turns back what is not decided for good: all of it, or that of some buckets.
///
/// # Errors
/// Where the map cannot be changed.
pub async fn abort(system: &System, log: &Log, only: Option<&BTreeSet<Bucket>>) -> Result<Aborted> {
    let asked = json!({"buckets": only});
    let work = async {
        let mut aborted = Aborted::default();
        decide(log, |map| {
            let (decisions, so_far) = aborting(map, only);
            aborted = so_far;
            Ok(decisions)
        })
        .await?;
        Ok(aborted)
    };
    recorded(system, None, ("shards abort", asked), |aborted| json!(aborted), work).await
}

impl PaceChange {
    fn is_none(self) -> bool {
        self.paused.is_none() && self.rows_per_s.is_none() && self.keep_s.is_none()
    }
}

fn check(system: &System, map: &ShardMap, ask: &Ask) -> Result<()> {
    let is_there = |shard: ShardId| map.shards().any(|of_map| of_map == shard);
    let named: Vec<ShardId> = match ask {
        Ask::Move { from, to, .. } if from == to => {
            return Err(
                BadSetting::new(format!("shard {from} is where they are to go, and where they come from")).into()
            );
        }
        Ask::Move { from, to, .. } => vec![*from, *to],
        Ask::Rebalance { shares, .. } => shares.iter().flat_map(|shares| shares.keys().copied()).collect(),
        Ask::Drain(shard) => vec![*shard],
    };
    for shard in named {
        system.check_shard(shard)?;
        if !is_there(shard) {
            return Err(BadSetting::new(format!("shard {shard} is not in the shard map")).into());
        }
        if map.is_leaving(shard) {
            return Err(BadSetting::new(format!("shard {shard} leaves the system: see `forebay shards remove`")).into());
        }
    }
    if matches!(ask, Ask::Drain(_)) && map.staying().count() == 1 {
        return Err(BadSetting::new("there is no other shard that could have what this one has").into());
    }
    Ok(())
}

fn recorded_as(ask: &Ask) -> (&'static str, Value) {
    match ask {
        Ask::Move { buckets, from, to } => ("shards move", json!({"buckets": buckets, "from": from, "to": to})),
        Ask::Rebalance { by, shares } => ("shards rebalance", json!({"by": by, "weights": shares})),
        Ask::Drain(shard) => ("shards drain", json!({"shard": shard})),
    }
}

async fn queue(log: &Log, plan: &Plan) -> Result<Arc<ShardMap>> {
    decide(log, |map| {
        if let Some(obstacle) = preflight::views(map) {
            bail!(obstacle);
        }
        Ok(plan.moves.iter().map(|of| Decision::Wait(of.unit(), of.to)).collect())
    })
    .await
}

async fn set(log: &Log, change: PaceChange) -> Result<Arc<ShardMap>> {
    change_map(log, |map| {
        let pace = map.queue().pace;
        let next = Pace {
            paused: change.paused.unwrap_or(pace.paused),
            rows_per_s: change.rows_per_s.map_or(pace.rows_per_s, NonZeroU32::new),
            keep_s: change.keep_s.or(pace.keep_s),
        };
        Ok((next != pace).then(|| map.next_with_pace(next)))
    })
    .await
}

fn aborting(map: &ShardMap, only: Option<&BTreeSet<Bucket>>) -> (Vec<Decision>, Aborted) {
    let is_meant = |unit: Unit| only.is_none_or(|only| only.contains(&unit.bucket()));
    let mut aborted = Aborted::default();
    let mut decisions = Vec::new();
    for (unit, _) in map.queue().waiting().filter(|(unit, _)| is_meant(*unit)) {
        aborted.forgotten += 1;
        decisions.push(Decision::Forget(unit));
    }
    for entry in map.moves().iter().filter(|entry| is_meant(entry.unit) && map.queue().target(entry.unit).is_none()) {
        match entry.phase {
            Phase::Copying | Phase::Releasing | Phase::Routed => {
                aborted.turned_back += 1;
                decisions.push(Decision::Next(entry.unit, entry.of, Phase::TurnedBack));
            }
            Phase::Active(_) | Phase::Owned => aborted.too_late += 1,
            Phase::Refused | Phase::TurnedBack => {}
        }
    }
    (decisions, aborted)
}

/// Makes decisions from the newest map, however often somebody else is faster, and gives the map that has them.
async fn decide(log: &Log, mut of: impl FnMut(&ShardMap) -> Result<Vec<Decision>>) -> Result<Arc<ShardMap>> {
    change_map(log, |map| {
        let decisions = of(map)?;
        if decisions.is_empty() {
            return Ok(None);
        }
        map.decided(&decisions).map(Some).map_err(|error| anyhow::anyhow!(refusal(map, &error)))
    })
    .await
}

/// Which unit it is, and what runs.
fn refusal(map: &ShardMap, error: &NotDecided) -> String {
    let unit = match error {
        NotDecided::Moving(unit)
        | NotDecided::Waiting(unit, _)
        | NotDecided::There(unit)
        | NotDecided::Leaving(unit, _)
        | NotDecided::Stale(unit) => *unit,
    };
    match map.moving(unit) {
        Some(entry) => format!(
            "{} is under way from shard {} to shard {} ({})",
            name(unit),
            entry.from,
            entry.to,
            entry.phase.as_str()
        ),
        None => format!("{}: {error}", name(unit)),
    }
}
