//! What a move has come to, as the map and both shards say, and what follows.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use forebay_model::ownership::{Act, Compared, MoveEntry, Ownership, Phase, Scene, Side, State, Unit, Wishes};
use forebay_model::{Incarnation, Lane, Position, ShardId, ShardMap, StreamId, StreamKind};
use forebay_shard::Derived;
use forebay_shard::owner::{UnitRow, UnitSnapshot, UnitsSaid, count_of};
use futures::FutureExt;
use futures::future::{BoxFuture, join_all, try_join};

use super::compare::{Rows, compare};
use super::copy::Whole;
use super::{Hands, Memory};
use crate::control::lease_of;

/// The most rows that may be missing when the source stops to own the unit: what comes from then on waits until they are copied.
const RELEASE_MAX: usize = 500;

/// What was seen of a move.
#[derive(Debug)]
pub(super) struct MoveObservation {
    pub(super) act: Act,
    /// The rows that the target lacks, by lane, where they were looked for.
    pub(super) missing: Vec<(Lane, UnitRow)>,
    /// Rows that were copied while looking.
    pub(super) copied: usize,
}

/// What a shard says of a unit, at one moment.
#[derive(Clone, Debug)]
pub(super) struct SideState {
    position: Position,
    ownership: Ownership,
    /// Where that was asked: what is not known to be empty is not.
    is_empty: bool,
}

/// What the shards say of units, each at one moment; of a shard that does not answer, why.
pub(super) struct ShardAnswers(BTreeMap<StreamId, Result<UnitsSaid>>);

impl ShardAnswers {
    /// Asks all of them.
    pub(super) async fn read(hands: Hands<'_>, map: &ShardMap, entries: &[(&MoveEntry, bool)]) -> Self {
        let mut wanted: BTreeMap<StreamId, Vec<(&MoveEntry, bool)>> = BTreeMap::new();
        for &(entry, is_new) in entries {
            for shard in [entry.from, entry.to] {
                wanted.entry(entry.unit.stream().on(shard)).or_default().push((entry, is_new));
            }
        }
        let reads: Vec<BoxFuture<'_, (StreamId, Result<UnitsSaid>)>> = wanted
            .into_iter()
            .map(|(stream, entries)| async move { (stream, said(hands, map, stream, &entries).await) }.boxed())
            .collect();
        Self(join_all(reads).await.into_iter().collect())
    }

    /// Those that do not answer.
    pub(super) fn troubles(&self) -> impl Iterator<Item = (ShardId, String)> + '_ {
        self.0.iter().filter_map(|(stream, said)| Some((stream.shard, format!("{:#}", said.as_ref().err()?))))
    }

    /// Both sides of a move, where as much is known as it takes to go on. What is turned back the source is to own first, whatever the target says: it may be gone for
    /// good.
    pub(super) fn sides(&self, entry: &MoveEntry) -> Option<(SideState, SideState)> {
        let (source, target) = (self.of(entry, entry.from)?, self.of(entry, entry.to));
        let target = target.or_else(|| (entry.phase == Phase::TurnedBack).then(SideState::unheard))?;
        Some((source, target))
    }

    fn of(&self, entry: &MoveEntry, shard: ShardId) -> Option<SideState> {
        let said = self.0.get(&entry.unit.stream().on(shard))?.as_ref().ok()?;
        let (ownership, is_empty) = said.units.get(&entry.unit.bucket())?;
        Some(SideState { position: said.position, ownership: ownership.clone(), is_empty: *is_empty == Some(true) })
    }
}

impl SideState {
    /// What a shard would say that has heard of nothing, and may have rows.
    fn unheard() -> Self {
        let position = Position { incarnation: Incarnation::new(0), seq: 0 };
        Self { position, ownership: Ownership::default(), is_empty: false }
    }
}

async fn said(hands: Hands<'_>, map: &ShardMap, stream: StreamId, entries: &[(&MoveEntry, bool)]) -> Result<UnitsSaid> {
    let StreamId { kind, shard } = stream;
    let mut lease = lease_of(hands.pools, shard).await?;
    let buckets: Vec<_> = entries.iter().map(|(entry, _)| entry.unit.bucket()).collect();
    let asks = |bucket, ownership: &Ownership| {
        let unit = Unit::of(kind, bucket);
        entries.iter().any(|&(entry, is_new)| entry.unit == unit && asks_for_rows(entry, is_new, shard, ownership))
    };
    let read = UnitsSaid::read(&mut lease, map, kind.on(shard), &buckets, asks).await;
    let read = read.with_context(|| format!("shard {shard} does not tell what it says of units"))?;
    lease.done();
    read.with_context(|| format!("the {kind} stream of shard {shard} was never read"))
}

/// Whether what follows depends on whether rows are there.
fn asks_for_rows(entry: &MoveEntry, is_new: bool, shard: ShardId, ownership: &Ownership) -> bool {
    let has_taken = ownership.epoch >= entry.epoch;
    match entry.phase {
        Phase::Copying => shard == entry.to && (!has_taken || is_new),
        Phase::Active(_) | Phase::Owned => shard == entry.from && has_taken,
        Phase::TurnedBack => shard == entry.to && has_taken,
        Phase::Releasing | Phase::Routed | Phase::Refused => false,
    }
}

/// Looks, and copies what is copied first.
pub(super) async fn look(
    hands: Hands<'_>,
    map: &ShardMap,
    entry: &MoveEntry,
    (source, target): (&SideState, &SideState),
    memory: &mut Memory,
) -> Result<MoveObservation> {
    let is_of = source.ownership.is_of(entry.of) && target.ownership.is_of(entry.of);
    let is_copying = matches!(source.ownership.state, State::Copying { .. })
        && matches!(target.ownership.state, State::Receiving { .. });
    let stands = matches!(source.ownership.state, State::Released { .. })
        && matches!(target.ownership.state, State::Awaiting { .. });
    let mut rows: Option<(Rows, UnitSnapshot)> = None;
    let mut may_release = false;
    match entry.phase {
        Phase::Copying if is_of && is_copying => {
            let whole = match &mut memory.whole {
                Some(whole) => whole,
                none if target.is_empty => none.insert(Whole::begin(hands, entry).await?),
                none => none.insert(Whole::begun_by_others()),
            };
            if !whole.is_done() {
                let (more, last) = whole.go_on(hands, entry).await?;
                memory.copied = last.or(memory.copied);
                return Ok(MoveObservation { act: Act::Copy, missing: Vec::new(), copied: more });
            }
            if memory.has_arrived(target.position) {
                may_release = has_most(hands, entry, memory).await?;
                if !may_release {
                    rows = compared(hands, map, entry).await?;
                }
            }
        }
        Phase::Routed if is_of && stands && memory.has_arrived(target.position) => {
            rows = compared(hands, map, entry).await?;
        }
        // A target that has refused is asked why.
        _ if target.ownership.refused == Some(entry.epoch) && memory.differing.is_empty() => {
            rows = compared(hands, map, entry).await?;
        }
        _ => {}
    }
    if let Some((rows, _)) = rows.as_mut().filter(|_| entry.phase == Phase::Routed) {
        memory.note_missing(rows);
    }
    let compared = rows.as_ref().map(|(rows, source)| rows.compared(source));
    if let Some((rows, _)) = &rows {
        may_release |= rows.differing.is_empty() && rows.missing.len() <= RELEASE_MAX;
        memory.differing.clone_from(&rows.differing);
    }
    let is_owned = target.ownership.state.owns() && target.ownership.is_of(entry.of);
    if is_owned && memory.owned.is_none() {
        memory.owned = Some(tokio::time::Instant::now());
    }
    let wishes = Wishes {
        turn_back: entry.phase == Phase::Copying && matches!(compared, Some(Compared::Different)),
        may_release,
        may_clean: is_owned && may_clean(hands, entry, &source.ownership, memory).await?,
    };
    let scene = Scene {
        entry,
        source: Side { ownership: &source.ownership, is_empty: source.is_empty },
        target: Side { ownership: &target.ownership, is_empty: target.is_empty },
        compared: compared.as_ref(),
        logged: &memory.logged,
    };
    let act = match scene.next(wishes).act {
        Act::Copy | Act::Compare if rows.is_none() => Act::Wait(entry.to),
        act => act,
    };
    let missing = rows.map_or_else(Vec::new, |(rows, _)| rows.missing);
    Ok(MoveObservation { act, missing, copied: 0 })
}

/// Whether the source has so little that was not there when the unit was copied that it may release it.
async fn has_most(hands: Hands<'_>, entry: &MoveEntry, memory: &Memory) -> Result<bool> {
    let Some(copied) = memory.whole.as_ref().and_then(|whole| whole.rows) else { return Ok(false) };
    let mut lease = lease_of(hands.pools, entry.from).await?;
    let rows = count_of(&mut lease, entry.unit.stream(), entry.unit.bucket()).await?;
    lease.done();
    Ok(rows.abs_diff(copied) <= RELEASE_MAX as u64)
}

/// Both sides compared, with what the source has; `None` where they are not what they were.
async fn compared(hands: Hands<'_>, map: &ShardMap, entry: &MoveEntry) -> Result<Option<(Rows, UnitSnapshot)>> {
    let (source, target) =
        try_join(snapshot(hands, map, entry, entry.from), snapshot(hands, map, entry, entry.to)).await?;
    if !(source.ownership.is_of(entry.of) && target.ownership.is_of(entry.of)) {
        return Ok(None);
    }
    let rows = compare(hands.pools, entry.unit, (entry.from, &source), (entry.to, &target)).await?;
    Ok(Some((rows, source)))
}

async fn snapshot(hands: Hands<'_>, map: &ShardMap, entry: &MoveEntry, shard: ShardId) -> Result<UnitSnapshot> {
    let mut lease = lease_of(hands.pools, shard).await?;
    let read = UnitSnapshot::read(&mut lease, map, shard, entry.unit).await;
    let read = read.with_context(|| format!("shard {shard} does not tell what it has of a unit"))?;
    lease.done();
    read.with_context(|| format!("the {} stream of shard {shard} was never read", entry.unit.stream()))
}

/// Whether the source's rows are needed no more: nothing that follows from them is owed, and the time has passed for which they are kept.
async fn may_clean(hands: Hands<'_>, entry: &MoveEntry, source: &Ownership, memory: &Memory) -> Result<bool> {
    if memory.owned.is_none_or(|owned| owned.elapsed() < hands.keep) {
        return Ok(false);
    }
    let Some(left) = source.tenure.and_then(|tenure| tenure.left) else { return Ok(false) };
    if entry.unit.stream() == StreamKind::Derived {
        return Ok(true);
    }
    let mut lease = lease_of(hands.pools, entry.from).await?;
    let derived = Derived::all(&mut lease).await?;
    lease.done();
    Ok(derived.iter().all(|note| note.through.covers(left)))
}
