//! Units move from one shard to another, while orders flow.
//!
//! What is to be done follows from what the map and the two shards say, by the pure rules of [`forebay_model::ownership::mover`]; this does it. So any
//! process can go on with any move, and several at once do no harm: the map changes by compare-and-swap, control frames are taken once, and copies are
//! facts.
//!
//! | module | concept |
//! |---|---|
//! | [`command`] | what operators ask for: which units go where, and how fast |
//! | [`plan`] | what buckets weigh, and which are to move |
//! | [`preflight`] | what would stop it |
//! | [`progress`] | how far it has come |
//! | [`buckets`] | the rows of buckets on all shards, compared |
//! | `look` | what a move has come to, and what follows |
//! | `compare` | the rows of two shards |
//! | `copy` | rows to the log of the shard that is to own them |
//! | `flow` | how fast they go there |
//! | `standing` | why it stands still |

pub mod buckets;
pub mod command;
mod compare;
mod copy;
mod flow;
mod look;
pub mod plan;
pub mod preflight;
pub mod progress;
mod standing;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use forebay_log::{Frame, Log, MapError};
use forebay_model::ownership::{Act, MoveEntry, MoveId, Phase, Unit};
use forebay_model::{Control, Decision, Epoch, Position, ShardId, ShardMap, StreamId};
use forebay_shard::ShardPool;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use tokio::time::{Instant, sleep, timeout};

use self::compare::Rows;
use self::copy::Whole;
use self::flow::{Flow, Pacer};
use self::look::{ShardAnswers, SideState};
use crate::Tell;
use crate::control::pool_of;
use crate::control::publish::publish_within;

pub use self::standing::{Standing, answer};

/// How often it is looked whether a shard has come further.
const POLL: Duration = Duration::from_millis(20);
/// How often it is looked whether there is anything to do.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often it is looked at units that are owned where they went.
const KEPT_EVERY: Duration = Duration::from_millis(500);
/// How many of these are looked at together.
const KEPT_TOGETHER: usize = 64;
/// How long to wait where something went wrong.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);
/// How many units are looked at together; of those that are owned where they went, which nobody waits for, fewer.
const TOGETHER: usize = 8;
const KEPT_LOOKS: usize = 2;
/// How often rows are copied to a shard that has not stored them.
const MISSING_MAX: u32 = 3;
/// How long a control frame may take to be taken by a log.
const APPEND_WITHIN: Duration = Duration::from_secs(10);

/// What there is to know while units move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoveEvent {
    /// A unit has come to a phase.
    Came(MoveEntry, Phase),
    /// How many rows of it were copied.
    Copied(MoveEntry, usize),
    /// The shard that is to own it has other rows, or cannot take some: these. The move turns back.
    Differs(Unit, Vec<String>),
    /// Something went wrong with a shard, and is tried again.
    Trouble(ShardId, String),
    /// Nothing is left to do.
    Finished(MoveEntry),
}

/// Which of the moves a mover goes on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MoverShare {
    /// All of them.
    All,
    /// Those whose units are being copied, and those that wait.
    Copying,
    /// Those whose units are between two owners: they go on although much is being copied, or cleaned.
    Between,
    /// Those whose units are owned where they went, and kept where they were for a while.
    Kept,
}

impl MoverShare {
    fn has(self, part: Self) -> bool {
        self == Self::All || self == part
    }
}

/// How a mover works.
#[derive(Clone, Copy, Debug)]
pub struct MoverSettings {
    /// How long the source keeps its rows once the target owns the unit, where the map does not say: as long as the target may be set back to a time
    /// before.
    pub keep: Duration,
    /// Only what comes from this shard.
    pub from: Option<ShardId>,
    /// Only this part of it.
    pub part: MoverShare,
    /// How many units may be under way at the same time.
    pub at_once: usize,
}

/// Moves what is under way.
#[derive(Debug)]
pub struct Mover<'a> {
    log: &'a Log,
    pools: &'a [ShardPool],
    settings: MoverSettings,
    memory: BTreeMap<(Unit, MoveId), Memory>,
    flows: BTreeMap<StreamId, Flow>,
    pacer: Pacer,
    /// When it was last looked at units that are owned where they went, and which was the last.
    kept: Option<(Instant, Unit)>,
}

/// What a mover remembers of a move. A mover that knows nothing of it does some things once more.
#[derive(Debug, Default)]
struct Memory {
    /// The control frames that are acknowledged.
    logged: BTreeSet<(ShardId, Epoch)>,
    /// The first copying, where the target had nothing yet.
    whole: Option<Whole>,
    /// Where the last copies lie in the target's log.
    copied: Option<Position>,
    /// How often rows were missing that had been copied, while both sides stood still.
    missing_again: u32,
    /// The rows in which the target differed.
    differing: Vec<String>,
    /// Since when it is known that the target owns the unit.
    owned: Option<Instant>,
}

/// What it takes to do something about a move.
#[derive(Clone, Copy, Debug)]
struct Hands<'a> {
    log: &'a Log,
    pools: &'a [ShardPool],
    flows: &'a BTreeMap<StreamId, Flow>,
    pacer: &'a Pacer,
    rows_per_s: Option<NonZeroU32>,
    keep: Duration,
}

impl Memory {
    /// Whether what was copied is there: only behind it can be told what is missing.
    fn has_arrived(&self, position: Position) -> bool {
        self.copied.is_none_or(|copied| position.incarnation != copied.incarnation || position.covers(copied))
    }

    /// Rows that are missing however often they come are some that the target does not take.
    fn note_missing(&mut self, rows: &mut Rows) {
        self.missing_again = if rows.missing.is_empty() { 0 } else { self.missing_again + 1 };
        if self.missing_again > MISSING_MAX {
            rows.differing.append(&mut rows.missing_named);
        }
    }
}

impl<'a> Hands<'a> {
    /// Where a unit's copies go.
    fn flow(self, entry: &MoveEntry) -> Result<&'a Flow> {
        self.flows.get(&entry.unit.stream().on(entry.to)).context("nothing flows there")
    }
}

impl Default for MoverSettings {
    fn default() -> Self {
        Self { keep: Duration::ZERO, from: None, part: MoverShare::All, at_once: 64 }
    }
}

impl<'a> Mover<'a> {
    /// One that knows nothing yet. `pools` are those of every shard of the map.
    pub fn new(log: &'a Log, pools: &'a [ShardPool], settings: MoverSettings) -> Self {
        let (memory, flows) = (BTreeMap::new(), BTreeMap::new());
        Self { log, pools, settings, memory, flows, pacer: Pacer::default(), kept: None }
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
        let back = |map: &ShardMap| {
            let entries = units.iter().filter_map(|&unit| map.moving(unit)).filter(|entry| entry.phase.can_turn_back());
            entries.map(|entry| Decision::Next(entry.unit, entry.of, Phase::TurnedBack)).collect()
        };
        self.decide(back).await
    }

    /// Goes on with all that is under way, also of other movers, until nothing is.
    pub async fn run(&mut self, tell: Tell<'_, MoveEvent>) -> Result<()> {
        while self.go_on(tell).await? {}
        Ok(())
    }

    /// Goes on with all that is under way by one act each, and begins what waits. Returns whether anything is left.
    ///
    /// # Errors
    /// Where the map cannot be read or changed. What goes wrong with a shard is told, and tried again the next time.
    pub async fn go_on(&mut self, tell: Tell<'_, MoveEvent>) -> Result<bool> {
        let map = self.log.read_map().await?;
        self.memory.retain(|(unit, of), _| map.moving(*unit).is_some_and(|entry| entry.of == *of));
        let entries: Vec<MoveEntry> = self.due(&map);
        for entry in &entries {
            let stream = entry.unit.stream().on(entry.to);
            self.flows.entry(stream).or_insert_with(|| Flow::to(stream));
        }
        let Looked { mut decisions, is_idle, has_trouble } = self.look_at(&map, &entries, tell).await;
        map.limit_between(&mut decisions, self.settings.from);
        decisions.extend(self.begins(&map));
        let is_idle = is_idle && decisions.is_empty();
        self.decide_all(&map, &decisions, tell).await?;
        if has_trouble {
            sleep(TROUBLE_PAUSE).await;
        } else if entries.is_empty() && decisions.is_empty() {
            self.wait_for_news(&map).await;
        } else if is_idle {
            sleep(POLL).await;
        }
        Ok(!map.moves().is_empty() || map.queue().waiting().next().is_some())
    }

    /// Waits until the map says something else, for a while.
    async fn wait_for_news(&self, map: &ShardMap) {
        let mut maps = self.log.map();
        let is_newer =
            |newest: &Option<Arc<ShardMap>>| newest.as_ref().is_some_and(|newest| newest.epoch() > map.epoch());
        // Where the log is not heard, it is asked.
        let _ = timeout(LOOK_EVERY, maps.wait_for(is_newer)).await;
    }

    /// What is to be looked at now. Of units that are owned where they went there may be thousands: some at a time, in turn.
    fn due(&mut self, map: &ShardMap) -> Vec<MoveEntry> {
        let MoverSettings { from, part, .. } = self.settings;
        let is_due = |entry: &&MoveEntry| match entry.phase {
            Phase::Copying => part.has(MoverShare::Copying) && !map.queue().pace.paused,
            Phase::Owned => false,
            _ => part.has(MoverShare::Between),
        };
        let is_mine = |entry: &&MoveEntry| from.is_none_or(|from| entry.from == from);
        let mut due: Vec<MoveEntry> = map.moves().iter().filter(is_mine).filter(is_due).cloned().collect();
        if part.has(MoverShare::Kept) && self.kept.is_none_or(|(at, _)| at.elapsed() >= KEPT_EVERY) {
            let kept: Vec<&MoveEntry> =
                map.moves().iter().filter(is_mine).filter(|entry| entry.phase == Phase::Owned).collect();
            let first = self.kept.map_or(0, |(_, last)| kept.partition_point(|entry| entry.unit <= last));
            let next: Vec<MoveEntry> = kept
                .iter()
                .cycle()
                .skip(first)
                .take(kept.len().min(KEPT_TOGETHER))
                .map(|&entry| entry.clone())
                .collect();
            self.kept = next.last().map(|entry| (Instant::now(), entry.unit));
            due.extend(next);
        }
        due
    }

    async fn look_at(&mut self, map: &ShardMap, entries: &[MoveEntry], tell: Tell<'_, MoveEvent>) -> Looked {
        let keep = map.queue().pace.keep_s.map_or(self.settings.keep, |keep| Duration::from_secs(keep.into()));
        let rows_per_s = map.queue().pace.rows_per_s;
        let mut known = std::mem::take(&mut self.memory);
        let Self { log, pools, flows, pacer, .. } = &*self;
        let hands = Hands { log, pools, flows, pacer, rows_per_s, keep };
        let key = |entry: &MoveEntry| (entry.unit, entry.of);
        let asked: Vec<(&MoveEntry, bool)> = entries
            .iter()
            .map(|entry| (entry, known.get(&key(entry)).is_none_or(|memory| memory.whole.is_none())))
            .collect();
        let told = ShardAnswers::read(hands, map, &asked).await;
        let mut looked = Looked { decisions: Vec::new(), is_idle: true, has_trouble: false };
        for (shard, trouble) in told.troubles() {
            looked.has_trouble = true;
            tell(MoveEvent::Trouble(shard, trouble));
        }
        let mut steps: Vec<BoxFuture<'_, (&MoveEntry, Memory, Result<Step>)>> = Vec::new();
        for entry in entries {
            let Some(sides) = told.sides(entry) else { continue };
            let memory = known.remove(&key(entry)).unwrap_or_default();
            steps.push(stepped(hands, map, entry, sides, memory, tell).boxed());
        }
        let together = if self.settings.part == MoverShare::Kept { KEPT_LOOKS } else { TOGETHER };
        let mut steps = stream::iter(steps).buffer_unordered(together);
        while let Some((entry, memory, stepped)) = steps.next().await {
            known.insert(key(entry), memory);
            match stepped {
                Ok(Step::Decided(decision)) => looked.decisions.push(decision),
                Ok(Step::Acted) => looked.is_idle = false,
                Ok(Step::Waits) => {}
                Err(error) => {
                    looked.has_trouble = true;
                    tell(MoveEvent::Trouble(
                        entry.to,
                        format!("{} from shard {}: {error:#}", plan::name(entry.unit), entry.from),
                    ));
                }
            }
        }
        drop(steps);
        self.memory = known;
        looked
    }

    /// What waits and can begin.
    fn begins(&self, map: &ShardMap) -> Vec<Decision> {
        let MoverSettings { from, part, at_once, .. } = self.settings;
        let is_held = !part.has(MoverShare::Copying) || map.queue().pace.paused;
        if is_held { Vec::new() } else { map.begins(from, at_once) }
    }

    /// Makes decisions from the newest map, but those that somebody else was faster with: the next look finds what follows.
    async fn decide_all(&self, map: &ShardMap, decisions: &[Decision], tell: Tell<'_, MoveEvent>) -> Result<()> {
        if decisions.is_empty() {
            return Ok(());
        }
        let mut made = Vec::new();
        let next = |newest: &ShardMap| -> Result<_, MapError> {
            let is_as_it_was = |decision: &&Decision| {
                let unit = decision.unit();
                newest.moving(unit) == map.moving(unit) && newest.queue().target(unit) == map.queue().target(unit)
            };
            made = decisions.iter().filter(is_as_it_was).cloned().collect();
            let is_any = !made.is_empty() && newest.queue().pace == map.queue().pace;
            let next = is_any.then(|| newest.decided(&made).ok()).flatten();
            if next.is_none() {
                made.clear();
            }
            Ok(next)
        };
        let next = self.log.change_map(next).await?;
        for decision in &made {
            let unit = decision.unit();
            match (map.moving(unit), next.moving(unit)) {
                (_, Some(entry)) => tell(MoveEvent::Came(entry.clone(), entry.phase.clone())),
                (Some(entry), None) => tell(MoveEvent::Finished(entry.clone())),
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Makes decisions from the newest map, however often somebody else is faster. Returns how many.
    async fn decide(&self, of: impl Fn(&ShardMap) -> Vec<Decision>) -> Result<usize> {
        let mut count = 0;
        let next = |map: &ShardMap| -> Result<_> {
            let decisions = of(map);
            count = decisions.len();
            if decisions.is_empty() {
                return Ok(None);
            }
            map.decided(&decisions).map(Some).map_err(|error| anyhow!("{error:?}: {error}"))
        };
        self.log.change_map(next).await?;
        Ok(count)
    }
}

/// What looking at all that is due has come to.
struct Looked {
    decisions: Vec<Decision>,
    is_idle: bool,
    has_trouble: bool,
}

/// What was done about a move.
enum Step {
    /// Something. More may follow at once.
    Acted,
    /// Nothing: a shard has to come further.
    Waits,
    /// The map is to say this.
    Decided(Decision),
}

async fn stepped<'a>(
    hands: Hands<'_>,
    map: &ShardMap,
    entry: &'a MoveEntry,
    (source, target): (SideState, SideState),
    mut memory: Memory,
    tell: Tell<'_, MoveEvent>,
) -> (&'a MoveEntry, Memory, Result<Step>) {
    let stepped = step(hands, map, entry, (&source, &target), &mut memory, tell).await;
    (entry, memory, stepped)
}

/// Does what is next of a move. What the map is to say is for the caller.
async fn step(
    hands: Hands<'_>,
    map: &ShardMap,
    entry: &MoveEntry,
    sides: (&SideState, &SideState),
    memory: &mut Memory,
    tell: Tell<'_, MoveEvent>,
) -> Result<Step> {
    let (unit, of) = (entry.unit, entry.of);
    let mut has_appended = false;
    loop {
        let had_differing = !memory.differing.is_empty();
        let seen = look::look(hands, map, entry, sides, memory).await?;
        if !had_differing && !memory.differing.is_empty() {
            tell(MoveEvent::Differs(unit, memory.differing.clone()));
        }
        if seen.copied > 0 {
            tell(MoveEvent::Copied(entry.clone(), seen.copied));
        }
        return Ok(match seen.act {
            Act::Append(shard, change) => {
                let epoch = change.epoch;
                let frame = Frame::of_control(&Control::Owner(change));
                publish_within(hands.log, shard, &frame, APPEND_WITHIN).await?;
                memory.logged.insert((shard, epoch));
                has_appended = true;
                continue;
            }
            // Nobody but the rows has wished for it.
            Act::Decide(Phase::TurnedBack) => {
                Step::Decided(Decision::Stop(unit, of, std::mem::take(&mut memory.differing)))
            }
            Act::Decide(phase) => Step::Decided(Decision::Next(unit, of, phase)),
            Act::Finish => Step::Decided(Decision::Finish(unit, of)),
            Act::Copy if !seen.missing.is_empty() => {
                memory.copied = copy::copy(hands, entry, &seen.missing).await?.or(memory.copied);
                tell(MoveEvent::Copied(entry.clone(), seen.missing.len()));
                Step::Acted
            }
            Act::Copy => Step::Acted,
            Act::Compare | Act::Wait(_) if has_appended => Step::Acted,
            Act::Compare | Act::Wait(_) => Step::Waits,
        });
    }
}

/// Whether anything of a shard moves, or is to.
pub fn has_work(map: &ShardMap, from: ShardId) -> bool {
    let waits = |(unit, _): (Unit, ShardId)| map.shard(unit.stream(), unit.bucket()) == from;
    map.moves().iter().any(|entry| entry.from == from) || map.queue().waiting().any(waits)
}
