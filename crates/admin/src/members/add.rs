//! A shard comes to the system: its tables and streams first, the map last, because every process that sees a shard in the map counts on them. Each step
//! may be done again, so a command that was cut off is run once more.

use anyhow::{Context, Result, bail};
use forebay_log::Log;
use forebay_model::{ShardId, ShardMap, StreamId};
use serde_json::json;

use super::plan::{NewMember, Plan, Step, plan_by};
use crate::Tell;
use crate::audit::recorded;
use crate::settings::{change_map, stored_map};
use crate::system::System;

/// Adds a shard, without buckets, and gives the plan behind it, of which nothing is left. `tell` is told of each step that is done.
///
/// # Errors
/// As [`plan`](super::plan()), before anything is changed; or what a server says.
pub async fn add(system: &System, wanted: &NewMember, tell: Tell<'_, Step>) -> Result<Plan> {
    let log = system.connect_log().await?;
    let plan = plan_by(&log, wanted).await?;
    if plan.is_done() {
        return Ok(plan);
    }
    let asked = json!({"shard": plan.shard, "addresses": plan.addresses, "labels": plan.labels});
    let done = |plan: &Plan| json!({"shard": plan.shard, "epoch": plan.epoch});
    recorded(system, None, ("shards add", asked), done, carry_out(&log, plan.shard, wanted, tell)).await
}

async fn carry_out(log: &Log, shard: ShardId, wanted: &NewMember, tell: Tell<'_, Step>) -> Result<Plan> {
    let map = stored_map(log).await?;
    log.ensure_streams(StreamId::all_of(shard), map.settings().streams).await?;
    tell(Step::Streams);
    let taken_in = forebay_shard::migrate(&wanted.addresses.clone().as_shard(shard, &map)).await;
    taken_in.with_context(|| format!("shard {shard} ({})", wanted.addresses))?;
    tell(Step::TakeIn);
    change_map(log, |map| next(map, shard, wanted)).await?;
    tell(Step::Map);
    plan_by(log, wanted).await
}

/// The map that has it.
fn next(map: &ShardMap, shard: ShardId, wanted: &NewMember) -> Result<Option<ShardMap>> {
    let member = wanted.member();
    match map.member(shard) {
        Some(known) if known.addresses == member.addresses => Ok(None),
        None if map.shards().all(|known| known != shard) => Ok(Some(map.next_with_members([(shard, member)]))),
        known => {
            let there = known.map_or_else(|| "elsewhere".to_owned(), |known| known.addresses.join(" | "));
            bail!(
                "another shard {shard} came meanwhile, at {there}, and {} says that it is this one: make that database anew, and add it again",
                wanted.addresses
            )
        }
    }
}
