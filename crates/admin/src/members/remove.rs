//! A shard that has nothing any more leaves the system. It is said in the map that it leaves, so that nothing goes there; then its streams are sealed,
//! so that nothing comes there however late; and once all that they had is where it belongs, the map does without it, and they go. Each step may be done
//! again, so a command that was cut off is run once more.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use forebay_log::{Log, LogError};
use forebay_model::{LastPlaces, Position, ShardId, ShardMap, StreamId, StreamKind};
use forebay_service::BadSetting;
use forebay_shard::read::ShardOwnership;
use forebay_shard::{DeadLetter, Derived, LetterFilter, PoolSettings, ShardPool};
use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::Tell;
use crate::audit::recorded;
use crate::control::lease_of;
use crate::control::wait::until;
use crate::moves::preflight::views as views_under_way;
use crate::settings::{change_map, stored_map};
use crate::system::System;

/// How long what is on its way may take to be settled, before it is something that stops the removal.
const SETTLED_WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One of the things that are done, in this order; each may be done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovalStep {
    /// The map says that it leaves: nothing may move there any more.
    Leave,
    /// No writer derives anything for it.
    LetGo,
    /// Its streams take nothing any more.
    Seal,
    /// All that they had is committed, and what was sent on and what follows is, too.
    Settle,
    /// The map does without it.
    Map,
    /// Its streams are deleted.
    Streams,
}

/// What is told meanwhile.
#[derive(Clone, Debug)]
pub enum RemovalEvent {
    /// A step is done.
    Done(RemovalStep),
    /// What is waited for: a sentence.
    Waits(String),
}

/// What there is to do.
#[derive(Clone, Debug, Serialize)]
pub struct Removal {
    /// The shard.
    pub shard: ShardId,
    /// Where it is, or was, as far as the map says it.
    pub addresses: Vec<String>,
    /// The epoch of the map by which this was found.
    pub epoch: u64,
    /// What is left to do; nothing where it is gone.
    pub left: Vec<RemovalStep>,
    /// What stops it: a sentence each.
    pub obstacles: Vec<String>,
}

impl Removal {
    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.left.is_empty()
    }
}

const STEPS: [RemovalStep; 6] = [
    RemovalStep::Leave,
    RemovalStep::LetGo,
    RemovalStep::Seal,
    RemovalStep::Settle,
    RemovalStep::Map,
    RemovalStep::Streams,
];

/// Looks whether a shard can leave, and what stops it. What is only on its way is waited for, for moments.
///
/// # Errors
/// [`BadSetting`] where there is no such shard; where the log does not answer.
pub async fn plan_removal(system: &System, shard: ShardId) -> Result<Removal> {
    plan_by(system, &system.connect_log().await?, shard).await
}

/// Takes a shard out, and gives the plan behind it, of which nothing is left.
///
/// # Errors
/// What stops it, before anything is changed; or what a server says.
pub async fn remove(system: &System, shard: ShardId, tell: Tell<'_, RemovalEvent>) -> Result<Removal> {
    let log = system.connect_log().await?;
    let plan = plan_by(system, &log, shard).await?;
    if let Some(obstacle) = plan.obstacles.first() {
        bail!("{obstacle}");
    }
    if plan.is_done() {
        return Ok(plan);
    }
    let asked = json!({"shard": shard, "addresses": plan.addresses});
    let done = |plan: &Removal| json!({"shard": shard, "epoch": plan.epoch});
    recorded(system, None, ("shards remove", asked), done, carry_out(system, &log, &plan, tell)).await
}

async fn plan_by(system: &System, log: &Log, shard: ShardId) -> Result<Removal> {
    let map = stored_map(log).await?;
    let addresses = map.member(shard).map(|member| member.addresses.clone()).unwrap_or_default();
    let mut plan = Removal { shard, addresses, epoch: map.epoch().0, left: Vec::new(), obstacles: Vec::new() };
    if map.gone(shard).is_some() {
        for stream in StreamId::all_of(shard) {
            match log.stream_state(stream).await {
                Ok(_) => plan.left = vec![RemovalStep::Streams],
                Err(LogError::NoStream(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        return Ok(plan);
    }
    if !map.has(shard) {
        return Err(BadSetting::new(format!("there is no shard {shard} in the map")).into());
    }
    plan.left = STEPS.into_iter().filter(|&step| step > RemovalStep::Leave || !map.is_leaving(shard)).collect();
    plan.obstacles = obstacles(system, log, &map, shard).await?;
    Ok(plan)
}

async fn obstacles(system: &System, log: &Log, map: &ShardMap, shard: ShardId) -> Result<Vec<String>> {
    let mut obstacles = Vec::new();
    if !map.is_leaving(shard) {
        obstacles.extend(map.may_leave(shard).err().map(|named| named.to_string()));
    }
    obstacles.extend(views_under_way(map));
    let figures = crate::shards::read(log, system).await?;
    obstacles.extend(figures.problems());
    if !obstacles.is_empty() {
        return Ok(obstacles);
    }
    let look = Look { log, pools: system.pools(None, &pool_settings())?, shard };
    let begun = Instant::now();
    loop {
        let unsettled = look.unsettled().await?;
        if unsettled.is_none() || begun.elapsed() > SETTLED_WITHIN {
            obstacles.extend(unsettled);
            obstacles.extend(look.dead_letters().await?);
            return Ok(obstacles);
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn carry_out(system: &System, log: &Log, plan: &Removal, tell: Tell<'_, RemovalEvent>) -> Result<Removal> {
    let shard = plan.shard;
    if plan.left != [RemovalStep::Streams] {
        let look = Look { log, pools: system.pools(None, &pool_settings())?, shard };
        leave(log, shard).await?;
        tell(RemovalEvent::Done(RemovalStep::Leave));
        look.wait(tell, async || look.not_let_go().await).await;
        tell(RemovalEvent::Done(RemovalStep::LetGo));
        let last = seal(log, shard).await?;
        tell(RemovalEvent::Done(RemovalStep::Seal));
        look.wait(tell, async || look.unsettled().await).await;
        if let Some(letters) = look.dead_letters().await? {
            bail!("{letters}; then give the same command again");
        }
        tell(RemovalEvent::Done(RemovalStep::Settle));
        change_map(log, |map| {
            let is_over = map.gone(shard).is_some();
            let next = map.next_without(shard, last);
            ensure!(is_over || next.is_some(), "shard {shard} does not leave any more");
            Ok(next)
        })
        .await?;
        tell(RemovalEvent::Done(RemovalStep::Map));
    }
    for stream in StreamId::all_of(shard) {
        log.delete_stream(stream).await?;
    }
    tell(RemovalEvent::Done(RemovalStep::Streams));
    let epoch = stored_map(log).await?.epoch().0;
    Ok(Removal { epoch, left: Vec::new(), ..plan.clone() })
}

async fn leave(log: &Log, shard: ShardId) -> Result<()> {
    change_map(log, |map| {
        if map.is_leaving(shard) || map.gone(shard).is_some() {
            return Ok(None);
        }
        if let Some(obstacle) = views_under_way(map) {
            bail!(obstacle);
        }
        Ok(Some(map.next_leaving(shard)?))
    })
    .await
    .map(drop)
}

async fn seal(log: &Log, shard: ShardId) -> Result<LastPlaces> {
    Ok(LastPlaces {
        logged: log.seal_stream(StreamKind::Logged.on(shard)).await?,
        derived: log.seal_stream(StreamKind::Derived.on(shard)).await?,
    })
}

/// Looks at what is left of a shard.
struct Look<'a> {
    log: &'a Log,
    pools: Vec<ShardPool>,
    shard: ShardId,
}

impl Look<'_> {
    /// Waits until nothing is left of something, and says what it waits for. A shard that is away is waited for.
    async fn wait(&self, tell: Tell<'_, RemovalEvent>, left: impl AsyncFn() -> Result<Option<String>>) {
        let last = RefCell::new(String::new());
        let told = || tell(RemovalEvent::Waits(last.borrow().clone()));
        until(told, async || match left().await.unwrap_or_else(|error| Some(format!("{error:#}"))) {
            None => Some(()),
            Some(left) => {
                last.replace(left);
                None
            }
        })
        .await;
    }

    /// A writer that still derives for it.
    async fn not_let_go(&self) -> Result<Option<String>> {
        for pool in &self.pools {
            let source = pool.shard();
            let mut lease = lease_of(&self.pools, source).await?;
            let notes = Derived::all(&mut lease).await;
            let notes = notes.with_context(|| format!("shard {source} does not tell what is derived"))?;
            lease.done();
            if notes.iter().any(|note| note.target == self.shard) {
                return Ok(Some(format!(
                    "the writer of shard {source} has not heard yet that shard {} leaves",
                    self.shard
                )));
            }
        }
        Ok(None)
    }

    /// What its logs have that is not where it belongs, the first of it: not committed, waiting, owed, or on its way.
    async fn unsettled(&self) -> Result<Option<String>> {
        let shard = self.shard;
        let mut lease = lease_of(&self.pools, shard).await?;
        let notes =
            Derived::all(&mut lease).await.with_context(|| format!("shard {shard} does not tell what is owed"))?;
        lease.done();
        for kind in StreamKind::ALL {
            let said = self.said(kind, shard).await?;
            let last = self.log.stream_state(kind.on(shard)).await?.last();
            let position = said.position.unwrap_or(Position { seq: 0, ..last });
            if !position.covers(last) {
                return Ok(Some(format!("not everything in the {kind} stream of shard {shard} is committed")));
            }
            if let Some(seq) = said.parked_from {
                return Ok(Some(format!("rows of the {kind} stream of shard {shard} wait there, from frame {seq} on")));
            }
            let behind = |note: &&Derived| kind == StreamKind::Logged && !note.through.covers(position);
            if let Some(note) = notes.iter().filter(|note| note.target != shard).find(behind) {
                return Ok(Some(format!("shard {shard} owes shard {} what follows from its orders", note.target)));
            }
            let published = notes.iter().filter(|note| kind == StreamKind::Derived && note.published.position.seq > 0);
            let published = published.map(|note| (note.target, note.published.position));
            let mut needs = said.edges();
            for (target, at) in published.filter(|(target, _)| *target != shard) {
                raise(&mut needs, target, at);
            }
            if let Some(unsettled) = self.on_its_way(kind, needs).await? {
                return Ok(Some(unsettled));
            }
        }
        Ok(None)
    }

    /// What was sent to these places and is not decided yet, wherever it was sent on to since.
    async fn on_its_way(&self, kind: StreamKind, mut needs: BTreeMap<ShardId, Position>) -> Result<Option<String>> {
        loop {
            let mut more = needs.clone();
            for (&at, &needed) in needs.iter().filter(|(at, _)| **at != self.shard) {
                // One that is gone had settled everything before.
                if self.pools.iter().all(|pool| pool.shard() != at) {
                    continue;
                }
                let said = self.said(kind, at).await?;
                if !said.has_decided(needed) {
                    let from = self.shard;
                    return Ok(Some(format!("rows that went from shard {from} to shard {at} are not decided yet")));
                }
                for (to, edge) in said.edges() {
                    raise(&mut more, to, edge);
                }
            }
            if more == needs {
                return Ok(None);
            }
            needs = more;
        }
    }

    async fn said(&self, kind: StreamKind, shard: ShardId) -> Result<ShardOwnership> {
        let mut lease = lease_of(&self.pools, shard).await?;
        let said = ShardOwnership::read(&mut lease, kind).await;
        let said = said.with_context(|| format!("shard {shard} does not tell what it says of units"))?;
        lease.done();
        Ok(said)
    }

    /// Letters that would be gone with it.
    async fn dead_letters(&self) -> Result<Option<String>> {
        let shard = self.shard;
        let mut lease = lease_of(&self.pools, shard).await?;
        let filter = LetterFilter { is_requeued: Some(false), ..LetterFilter::default() };
        let counts = DeadLetter::counts(&mut lease, &filter).await;
        let counts = counts.with_context(|| format!("shard {shard} does not tell its dead letters"))?;
        lease.done();
        let letters: u64 = counts.iter().map(|count| count.letters).sum();
        let what = "`forebay dead requeue --shard` puts them into the log again, `dead purge --unrequeued --shard` deletes them (conflicts among them)";
        Ok((letters > 0).then(|| format!("shard {shard} has {letters} dead letters: {what}")))
    }
}

fn raise(needs: &mut BTreeMap<ShardId, Position>, shard: ShardId, at: Position) {
    let known = needs.entry(shard).or_insert(at);
    *known = known.later(at);
}

fn pool_settings() -> PoolSettings {
    PoolSettings {
        application_name: "forebay-shards".to_owned(),
        connections_max: 2,
        acquire_timeout: Duration::from_secs(3),
        ..PoolSettings::default()
    }
}
