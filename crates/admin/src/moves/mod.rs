//! Units move from one shard to another, while orders flow.
//!
//! What is to be done follows from what the map and the two shards say, by the pure rules of [`forebay_model::ownership::mover`]; this does it. So any
//! process can go on with any move, and several at once do no harm: the map changes by compare-and-swap, control frames are taken once, and copies are
//! facts.
//!
//! | module | concept |
//! |---|---|
//! | `look` | what a move has come to, and what follows |
//! | `compare` | the rows of two shards |
//! | `copy` | rows to the log of the shard that is to own them |

mod compare;
mod copy;
mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use forebay_log::{Frame, Log, MapError};
use forebay_model::ownership::{Act, Entry, MoveId, Phase, Unit};
use forebay_model::{Control, Decision, Epoch, Position, ShardId, ShardMap};
use forebay_shard::ShardPool;
use futures::future::try_join_all;
use tokio::time::{Instant, sleep};

use self::look::Seen;
use crate::Tell;
use crate::control::pool_of;
use crate::publish::publish;

/// How often it is looked whether a shard has come further.
const POLL: Duration = Duration::from_millis(50);
/// How many units are looked at together.
const TOGETHER: usize = 16;

/// What there is to know while units move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoveEvent {
    /// A unit has come to a phase.
    Came(Unit, Phase),
    /// So many rows of it were copied.
    Copied(Unit, usize),
    /// The shard that is to own it has other rows, or cannot take some: these. The move turns back.
    Differs(Unit, Vec<String>),
    /// Nothing is left to do.
    Finished(Unit),
}

/// Moves what is under way.
#[derive(Debug)]
pub struct Mover<'a> {
    log: &'a Log,
    pools: &'a [ShardPool],
    /// How long the source keeps its rows once the target owns the unit: as long as the target may be set back to a time before.
    keep: Duration,
    memory: BTreeMap<(Unit, MoveId), Memory>,
}

/// What a mover remembers of a move. Whoever knows nothing of it does some things once more.
#[derive(Debug, Default)]
struct Memory {
    /// The control frames that are acknowledged.
    logged: BTreeSet<(ShardId, Epoch)>,
    /// Where the last copies lie in the target's log.
    copied: Option<Position>,
    /// Since when it is known that the target owns the unit.
    owned: Option<Instant>,
}

impl<'a> Mover<'a> {
    /// One that knows nothing yet. `pools` are those of every shard of the map.
    pub fn new(log: &'a Log, pools: &'a [ShardPool], keep: Duration) -> Self {
        Self { log, pools, keep, memory: BTreeMap::new() }
    }

    /// Begins to move units to a shard: all of them, or none.
    ///
    /// # Errors
    /// Where one of them is under way, or there already.
    pub async fn begin(&self, units: &[Unit], to: ShardId) -> Result<()> {
        pool_of(self.pools, to)?;
        self.decide(|_| units.iter().map(|&unit| Decision::Begin(unit, to)).collect()).await.map(drop)
    }

    /// Turns back every move of these units that is not decided for good. Returns how many.
    pub async fn turn_back(&self, units: &[Unit]) -> Result<usize> {
        let can_turn = |entry: &&Entry| matches!(entry.phase, Phase::Copying | Phase::Releasing | Phase::Routed);
        let back = |map: &ShardMap| {
            let entries = units.iter().filter_map(|&unit| map.moving(unit)).filter(can_turn);
            entries.map(|entry| Decision::Next(entry.unit, entry.of, Phase::TurnedBack)).collect()
        };
        self.decide(back).await
    }

    /// Goes on with all that is under way, whoever began it, until nothing is.
    pub async fn run(&mut self, tell: Tell<'_, MoveEvent>) -> Result<()> {
        while self.go_on(tell).await? {}
        Ok(())
    }

    /// Goes on with all that is under way by one act each. Returns whether anything is left.
    pub async fn go_on(&mut self, tell: Tell<'_, MoveEvent>) -> Result<bool> {
        let map = self.log.read_map().await?;
        self.memory.retain(|(unit, of), _| map.moving(*unit).is_some_and(|entry| entry.of == *of));
        let mut decisions = Vec::new();
        let mut is_idle = true;
        for entries in map.moves().chunks(TOGETHER) {
            let looks = entries
                .iter()
                .map(|entry| look::look(self.pools, &map, entry, self.memory.get(&(entry.unit, entry.of)), self.keep));
            for (entry, seen) in entries.iter().zip(try_join_all(looks).await?) {
                let memory = self.memory.entry((entry.unit, entry.of)).or_default();
                memory.owned = memory.owned.or_else(|| seen.is_owned.then(Instant::now));
                is_idle &= matches!(seen.act, Act::Wait(_));
                if let Some(decision) = act(self.log, entry, seen, memory, tell).await? {
                    decisions.push(decision);
                }
            }
        }
        self.decide_all(&map, &decisions, tell).await?;
        if is_idle {
            sleep(POLL).await;
        }
        Ok(!map.moves().is_empty())
    }

    /// Of decisions that somebody else was faster with nothing is made: the next look finds what follows.
    async fn decide_all(&self, map: &ShardMap, decisions: &[Decision], tell: Tell<'_, MoveEvent>) -> Result<()> {
        if decisions.is_empty() {
            return Ok(());
        }
        let Ok(next) = map.decided(decisions) else { return Ok(()) };
        match self.log.update_map(&next).await {
            Ok(()) => {}
            Err(MapError::Conflict { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        for decision in decisions {
            tell(match decision {
                Decision::Next(unit, _, phase) => MoveEvent::Came(*unit, phase.clone()),
                Decision::Begin(unit, _) => MoveEvent::Came(*unit, Phase::Copying),
                Decision::Finish(unit, _) => MoveEvent::Finished(*unit),
            });
        }
        Ok(())
    }

    /// Makes decisions from the newest map, however often somebody else is faster. Returns how many.
    async fn decide(&self, of: impl Fn(&ShardMap) -> Vec<Decision>) -> Result<usize> {
        loop {
            let map = self.log.read_map().await?;
            let decisions = of(&map);
            if decisions.is_empty() {
                return Ok(0);
            }
            let next = match map.decided(&decisions) {
                Ok(next) => next,
                Err(error) => bail!("{error:?}: {error}"),
            };
            match self.log.update_map(&next).await {
                Ok(()) => return Ok(decisions.len()),
                Err(MapError::Conflict { .. }) => {}
                Err(error) => return Err(error).context("the map cannot be changed"),
            }
        }
    }
}

/// Does what is next of a move. What the map is to say is for the caller.
async fn act(
    log: &Log,
    entry: &Entry,
    seen: Seen,
    memory: &mut Memory,
    tell: Tell<'_, MoveEvent>,
) -> Result<Option<Decision>> {
    let (unit, of) = (entry.unit, entry.of);
    if !seen.differing.is_empty() {
        tell(MoveEvent::Differs(unit, seen.differing));
    }
    match seen.act {
        Act::Append(shard, change) => {
            let epoch = change.epoch;
            publish(log, shard, Frame::of_control(&Control::Owner(change))).await?;
            memory.logged.insert((shard, epoch));
            Ok(None)
        }
        Act::Decide(phase) => Ok(Some(Decision::Next(unit, of, phase))),
        Act::Finish => Ok(Some(Decision::Finish(unit, of))),
        Act::Copy if !seen.missing.is_empty() => {
            tell(MoveEvent::Copied(unit, seen.missing.len()));
            memory.copied = copy::copy(log, entry, &seen.missing).await?;
            Ok(None)
        }
        Act::Copy | Act::Compare | Act::Wait(_) => Ok(None),
    }
}
