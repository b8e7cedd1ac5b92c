//! What a move has come to, as the map and both shards say, and what follows.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use forebay_model::ownership::{Act, Compared, Entry, Phase, Scene, Side, State, Wishes};
use forebay_model::{Lane, ShardId, ShardMap, StreamKind};
use forebay_shard::owner::{UnitRow, UnitSnapshot};
use forebay_shard::{Derived, ShardPool};

use super::Memory;
use super::compare::{Rows, compare};
use crate::control::pool_of;

/// So many rows may be missing when the source stops to own the unit: what comes from then on waits until they are copied.
const RELEASE_MAX: usize = 500;

/// What was seen of a move.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) act: Act,
    /// The rows that the target lacks, by lane, where they were looked for.
    pub(super) missing: Vec<(Lane, UnitRow)>,
    /// The rows by which the target has others, by name.
    pub(super) differing: Vec<String>,
    /// Whether the target owns the unit.
    pub(super) is_owned: bool,
}

/// Looks.
pub(super) async fn look(
    pools: &[ShardPool],
    map: &ShardMap,
    entry: &Entry,
    memory: Option<&Memory>,
    keep: Duration,
) -> Result<Seen> {
    let (source, target) =
        (snapshot(pools, map, entry, entry.from).await?, snapshot(pools, map, entry, entry.to).await?);
    let is_of = source.ownership.is_of(entry.of) && target.ownership.is_of(entry.of);
    let is_awaited = matches!(target.ownership.state, State::Awaiting { .. });
    let stands = matches!(source.ownership.state, State::Released { .. }) && is_awaited;
    // A target that has refused is asked why.
    let has_refused = target.ownership.refused == Some(entry.epoch);
    let is_comparable = match entry.phase {
        Phase::Copying => true,
        Phase::Routed => stands,
        _ => has_refused,
    };
    let may_compare = is_of && is_comparable;
    // What was copied is on its way: only behind it can be told what is missing.
    let has_arrived = memory.and_then(|memory| memory.copied).is_none_or(|copied| target.position.covers(copied));
    let rows =
        if may_compare && has_arrived { compare(pools, entry, &source, &target).await? } else { Rows::default() };
    let Rows { missing, differing, is_compared } = rows;
    let compared = is_compared.then(|| {
        if !differing.is_empty() {
            Compared::Different
        } else if missing.is_empty() {
            Compared::Equal(source.sums.total())
        } else {
            Compared::Missing
        }
    });
    let is_owned = target.ownership.state.owns() && target.ownership.is_of(entry.of);
    let wishes = Wishes {
        turn_back: entry.phase == Phase::Copying && !differing.is_empty(),
        may_release: is_compared && missing.len() <= RELEASE_MAX,
        may_clean: is_owned && may_clean(pools, entry, &source, memory, keep).await?,
    };
    let empty = BTreeSet::new();
    let scene = Scene {
        entry,
        source: Side { ownership: &source.ownership, is_empty: source.is_empty },
        target: Side { ownership: &target.ownership, is_empty: target.is_empty },
        compared: compared.as_ref(),
        logged: memory.map_or(&empty, |memory| &memory.logged),
    };
    let act = match scene.next(wishes).act {
        Act::Copy | Act::Compare if !is_compared => Act::Wait(entry.to),
        act => act,
    };
    Ok(Seen { act, missing, differing, is_owned })
}

async fn snapshot(pools: &[ShardPool], map: &ShardMap, entry: &Entry, shard: ShardId) -> Result<UnitSnapshot> {
    let mut lease = pool_of(pools, shard)?.acquire().await?;
    let read = UnitSnapshot::read(&mut lease, map, shard, entry.unit).await;
    let read = read.with_context(|| format!("shard {shard} does not tell what it says of a unit"))?;
    read.with_context(|| format!("the {} stream of shard {shard} was never read", entry.unit.stream()))
}

/// Whether the source's rows are needed no more: nothing that follows from them is owed, and the time has passed for which they are kept.
async fn may_clean(
    pools: &[ShardPool],
    entry: &Entry,
    source: &UnitSnapshot,
    memory: Option<&Memory>,
    keep: Duration,
) -> Result<bool> {
    if memory.and_then(|memory| memory.owned).is_none_or(|owned| owned.elapsed() < keep) {
        return Ok(false);
    }
    let Some(left) = source.ownership.tenure.and_then(|tenure| tenure.left) else { return Ok(false) };
    if entry.unit.stream() == StreamKind::Derived {
        return Ok(true);
    }
    let mut lease = pool_of(pools, entry.from)?.acquire().await?;
    Ok(Derived::all(&mut lease).await?.iter().all(|note| note.through.covers(left)))
}
