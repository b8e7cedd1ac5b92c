//! How far what moves has come.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use forebay_log::Log;
use forebay_model::ownership::{Phase, Unit};
use forebay_model::{Lane, Pace, ShardId, ShardMap, Stopped};
use forebay_shard::owner::rows_moved;
use forebay_shard::{PoolSettings, ShardPool};
use futures::future::join_all;
use serde::Serialize;

use super::flow::has_too_much;
use super::plan::{Plan, name};
use super::standing::Standing;
use crate::settings::stored_map;
use crate::shards::{Figures, StreamFigures};
use crate::system::System;

/// All that moves, as `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct Progress {
    /// The map's epoch.
    pub epoch: u64,
    /// How fast it is to go.
    pub pace: Pace,
    /// From where, to where, and how much of it.
    pub ways: Vec<WayProgress>,
    /// Units under way, by phase.
    pub phases: BTreeMap<&'static str, usize>,
    /// Moves that have stopped by themselves: a sentence each, the newest last.
    pub stopped: Vec<String>,
    /// Rows that shards have had from others, since they are there.
    pub rows_copied: u64,
    /// Rows that shards have deleted because others own them.
    pub rows_cleaned: u64,
    /// Why what moves stands still, where it does: a sentence each.
    pub standing: Vec<String>,
    /// Shards that do not answer, and those that are nearly full: a sentence each.
    pub warnings: Vec<String>,
}

/// What moves from one shard to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct WayProgress {
    /// The shard that had it.
    pub from: ShardId,
    /// The shard that is to have it.
    pub to: ShardId,
    /// Units that have not begun.
    pub waiting: usize,
    /// Units under way.
    pub under_way: usize,
    /// Units that are there; their rows are still where they were, too.
    pub kept: usize,
    /// Units that go back.
    pub turned_back: usize,
}

/// Follows what was planned.
#[derive(Debug)]
pub struct Watch {
    pools: Vec<ShardPool>,
    units: BTreeMap<Unit, (ShardId, u64)>,
}

/// What has become of what was planned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Watched {
    /// Units that are to move.
    pub units: usize,
    /// Those that are there.
    pub there: usize,
    /// Those that do not move any more: turned back, by themselves or by somebody.
    pub stopped: usize,
    /// Those that wait.
    pub waiting: usize,
    /// Of those that wait, those that cannot begin while a shard keeps the rows that it had of them before.
    pub held_up: usize,
    /// Rows of those that are not there yet.
    pub rows_left: u64,
    /// Rows that shards have had from others, since they are there; `None` where one does not answer.
    #[serde(skip)]
    pub rows_copied: Option<u64>,
    /// What stopped by itself: a sentence each.
    pub reasons: Vec<String>,
    /// Whether everything is held for now.
    pub paused: bool,
}

impl WayProgress {
    fn moving(&self) -> usize {
        self.waiting + self.under_way + self.turned_back
    }

    fn is_moving(&self) -> bool {
        self.moving() > 0
    }
}

impl Progress {
    /// Units that wait, are under way or go back.
    pub fn moving(&self) -> usize {
        self.ways.iter().map(WayProgress::moving).sum()
    }

    /// Whether any do.
    pub fn is_moving(&self) -> bool {
        self.moving() > 0
    }
}

/// Reads it.
///
/// # Errors
/// Where there is no map, or the log does not answer.
pub async fn read(system: &System, log: &Log) -> Result<Progress> {
    let map = stored_map(log).await?;
    let figures = crate::shards::read(log, system).await?;
    let pools = system.pools(None, &pool_settings())?;
    let (rows_copied, rows_cleaned) = all_rows_moved(&pools).await.0;
    let mut phases = BTreeMap::new();
    for entry in map.moves() {
        *phases.entry(entry.phase.as_str()).or_default() += 1;
    }
    let ways = ways(&map);
    Ok(Progress {
        epoch: map.epoch().0,
        pace: map.queue().pace,
        standing: standing(log, &map, &ways, &figures).await?,
        ways,
        phases,
        stopped: map.queue().stopped().iter().map(sentence).collect(),
        rows_copied,
        rows_cleaned,
        warnings: super::preflight::warnings(&figures),
    })
}

/// What holds up what moves: as writers tell it, and streams to which nothing is copied.
async fn standing(log: &Log, map: &ShardMap, ways: &[WayProgress], figures: &Figures) -> Result<Vec<String>> {
    let moving: BTreeSet<ShardId> =
        ways.iter().filter(|way| way.is_moving()).flat_map(|way| [way.from, way.to]).collect();
    if moving.is_empty() {
        return Ok(Vec::new());
    }
    let told = super::standing::ask(log).await?.into_iter().filter(|of| moving.contains(&of.shard));
    let mut sentences: Vec<String> =
        told.map(|Standing { why, since, .. }| format!("held up since {since}: {why}")).collect();
    sentences.extend(held_up(map));
    let targets = ways.iter().filter(|way| way.waiting + way.under_way > 0).map(|way| way.to).collect::<BTreeSet<_>>();
    for shard in figures.shards.iter().filter(|shard| targets.contains(&shard.shard)) {
        let is_behind = |stream: &&StreamFigures| is_behind(stream, map.settings().streams.bytes_max);
        let streams = shard.streams.iter().filter(is_behind);
        sentences.extend(streams.map(|stream| {
            let of = stream.stream.on(shard.shard);
            format!("more than a quarter of {of} is not committed: nothing is copied there until it has less")
        }));
    }
    Ok(sentences)
}

/// What waits until a shard keeps its rows of before no more.
fn held_up(map: &ShardMap) -> impl Iterator<Item = String> {
    let mut units: BTreeMap<ShardId, usize> = BTreeMap::new();
    for (_, shard) in map.held_up() {
        *units.entry(shard).or_default() += 1;
    }
    // Who has let them go already waits for the deleting, which is done piece by piece.
    let what = match map.queue().pace.keep_s {
        Some(0 | 1) => "it is at it, a piece at a time",
        _ => "`forebay shards resume --keep-s 1` has it begin now",
    };
    units.into_iter().map(move |(shard, units)| {
        format!("{units} of the parts that wait cannot begin before shard {shard} has deleted the rows that it keeps of them: {what}")
    })
}

/// Whether too much of a stream is not committed for more copies.
fn is_behind(stream: &StreamFigures, bytes_max: u64) -> bool {
    let (Some(lag), Some(bytes), Some(frames)) = (stream.lag_frames, stream.log_bytes, stream.log_frames) else {
        return false;
    };
    has_too_much(lag, bytes, frames, bytes_max)
}

fn ways(map: &ShardMap) -> Vec<WayProgress> {
    let mut ways: BTreeMap<(ShardId, ShardId), WayProgress> = BTreeMap::new();
    let mut way = |from, to, count: fn(&mut WayProgress)| {
        let none = WayProgress { from, to, waiting: 0, under_way: 0, kept: 0, turned_back: 0 };
        count(ways.entry((from, to)).or_insert(none));
    };
    for (unit, to) in map.queue().waiting() {
        way(map.shard(unit.stream(), unit.bucket()), to, |way| way.waiting += 1);
    }
    for entry in map.moves() {
        way(
            entry.from,
            entry.to,
            match entry.phase {
                Phase::Owned => |way| way.kept += 1,
                Phase::TurnedBack | Phase::Refused => |way| way.turned_back += 1,
                Phase::Copying | Phase::Releasing | Phase::Routed | Phase::Active(_) => |way| way.under_way += 1,
            },
        );
    }
    ways.into_values().collect()
}

/// Why a move has stopped.
fn sentence(stopped: &Stopped) -> String {
    let Stopped { unit, from, to, rows, .. } = stopped;
    let why = if rows.is_empty() {
        "it refused what came".to_owned()
    } else {
        format!("it has other rows: {}", rows.join("; "))
    };
    format!("{} stays on shard {from} and is not on shard {to}: {why}", name(*unit))
}

impl Watch {
    /// Of what was planned, and what of it was under way before.
    ///
    /// # Errors
    /// Where there are no such shards.
    pub fn of(system: &System, plan: &Plan) -> Result<Self> {
        let planned = plan.moves.iter().map(|of| (of.unit(), (of.to, of.rows)));
        let going = plan.going.iter().map(|&(unit, to)| (unit, (to, 0)));
        Ok(Self { pools: system.pools(None, &pool_settings())?, units: planned.chain(going).collect() })
    }

    /// What has become of it by now.
    ///
    /// # Errors
    /// Where the log does not answer.
    pub async fn look(&self, log: &Log) -> Result<Watched> {
        let map = stored_map(log).await?;
        let mut watched = self.of_map(&map);
        let ((copied, _), is_whole) = all_rows_moved(&self.pools).await;
        watched.rows_copied = is_whole.then_some(copied);
        Ok(watched)
    }

    fn of_map(&self, map: &ShardMap) -> Watched {
        let mut watched = Watched { units: self.units.len(), paused: map.queue().pace.paused, ..Watched::default() };
        for (&unit, &(to, rows)) in &self.units {
            let at = map.shard(unit.stream(), unit.bucket());
            let moving = map.moving(unit);
            if at == to && moving.is_none_or(|entry| entry.phase.is_owned()) {
                watched.there += 1;
                continue;
            }
            let is_waiting = map.queue().target(unit) == Some(to);
            let goes_back = moving.is_none_or(|entry| entry.to != to || entry.phase == Phase::TurnedBack);
            if is_waiting {
                watched.waiting += 1;
            } else if goes_back {
                watched.stopped += 1;
                continue;
            }
            watched.rows_left += rows;
        }
        watched.held_up = map.held_up().filter(|(unit, _)| self.units.contains_key(unit)).count();
        let is_mine = |stopped: &&Stopped| self.units.get(&stopped.unit).is_some_and(|(to, _)| *to == stopped.to);
        watched.reasons = map.queue().stopped().iter().filter(is_mine).map(sentence).collect();
        watched
    }
}

impl Watched {
    /// Whether nothing more will come of it.
    pub fn is_over(&self) -> bool {
        self.there + self.stopped == self.units
    }
}

/// How many rows shards have had from others and deleted, and whether all of them have said so.
async fn all_rows_moved(pools: &[ShardPool]) -> ((u64, u64), bool) {
    let reads = pools.iter().map(async |pool| -> Result<(u64, u64)> {
        let mut connection = pool.acquire().await?;
        let (mut copied, mut cleaned) = (0, 0);
        for lane in Lane::ALL {
            let (more_copied, more_cleaned) = rows_moved(&mut connection, lane).await?;
            (copied, cleaned) = (copied + more_copied, cleaned + more_cleaned);
        }
        Ok((copied, cleaned))
    });
    let read = join_all(reads).await;
    let is_whole = read.iter().all(Result::is_ok);
    let sum = |(copied, cleaned), (more, gone)| (copied + more, cleaned + gone);
    (read.into_iter().flatten().fold((0, 0), sum), is_whole)
}

fn pool_settings() -> PoolSettings {
    PoolSettings {
        application_name: "forebay-moves".to_owned(),
        connections_max: 1,
        acquire_timeout: Duration::from_secs(2),
        statement_timeout: Duration::from_secs(10),
        ..PoolSettings::default()
    }
}
