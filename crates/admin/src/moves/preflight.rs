//! What would stop a move, looked for before anything is changed.

use std::collections::BTreeSet;

use forebay_log::Log;
use forebay_model::{ShardId, ShardMap, SystemView, ViewState};

use super::plan::Plan;
use crate::room::FREE_MIN;
use crate::shards::{Figures, ShardFigures};
use crate::system::System;

/// A sentence for each thing that stops it.
pub(super) async fn obstacles(system: &System, log: &Log, map: &ShardMap, plan: &Plan) -> anyhow::Result<Vec<String>> {
    let mut obstacles = Vec::new();
    let sides: BTreeSet<ShardId> = plan.moves.iter().flat_map(|of| [of.from, of.to]).collect();
    for shard in &sides {
        if system.shards.get(*shard).is_none() {
            obstacles.push(format!("shard {shard} is not among --shards"));
        } else if !map.shards().any(|of_map| of_map == *shard) {
            obstacles.push(format!("shard {shard} is not in the shard map"));
        }
    }
    let figures = crate::shards::read(log, system).await?;
    for shard in figures.shards.iter().filter(|shard| sides.contains(&shard.shard)) {
        obstacles.extend(of_shard(shard, plan));
    }
    obstacles.extend(views(map));
    Ok(obstacles)
}

/// A view that is filled in, or dropped, and units that move exclude each other: both go through all rows of a unit.
pub(crate) fn views(map: &ShardMap) -> Option<String> {
    let is_under_way = |view: &&SystemView| view.state != ViewState::Ready;
    let view = map.settings().views.iter().find(is_under_way)?;
    let what = if view.state == ViewState::Building { "filled in" } else { "dropped" };
    Some(format!("the view {} is being {what}: let `forebay views` end first", view.view.spec.name()))
}

fn of_shard(figures: &ShardFigures, plan: &Plan) -> Vec<String> {
    let shard = figures.shard;
    let mut obstacles: Vec<String> = figures.unreachable.iter().cloned().collect();
    for stream in &figures.streams {
        let of = stream.stream.on(shard);
        if let Some(fault) = &stream.fault {
            obstacles.push(format!("{of}: {fault}"));
        } else if figures.unreachable.is_none() && stream.position.is_none() {
            obstacles.push(format!("{of} was never read: no writer works on shard {shard}"));
        }
    }
    let come = plan.shards.iter().find(|of| of.shard == shard).map_or(0, |of| of.bytes_come);
    if let Some(free) = figures.room.and_then(|room| room.free).filter(|_| come > 0)
        && free < come + come / 2 + FREE_MIN
    {
        let mib = |bytes: u64| bytes >> 20;
        obstacles.push(format!(
            "shard {shard} has too little room: about {} MiB come, {} MiB are free on its disk, and half as much again and 1 GiB are to stay free",
            mib(come),
            mib(free)
        ));
    }
    obstacles
}

/// Whether there is nothing to hinder somebody from going through all rows: nothing moves, or waits to.
///
/// # Errors
/// A sentence about what moves.
pub(crate) fn nothing_moves(map: &ShardMap) -> Result<(), String> {
    let moving = map.moves().iter().filter(|entry| !entry.phase.is_owned()).count();
    let waiting = map.queue().waiting().count();
    if moving + waiting == 0 {
        return Ok(());
    }
    Err(format!(
        "{moving} parts of shards move, and {waiting} wait to: see `forebay shards status`, and begin when they are there"
    ))
}

/// What is wrong with shards that no move is of, for those who only look.
pub fn warnings(figures: &Figures) -> Vec<String> {
    figures.problems().into_iter().chain(figures.scarce()).collect()
}
