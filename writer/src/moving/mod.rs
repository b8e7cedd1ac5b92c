//! Units that move: whatever the map says is under way, or waits, from any shard. One writer process at a time goes on with what leaves a shard; where
//! it dies, another does.
//!
//! Nothing here ends a writer: what goes wrong is told and tried again.

mod standing;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use forebay_admin::moves::plan::name;
use forebay_admin::moves::{MoveEvent, Mover, MoverSettings, MoverShare, answer, has_work};
use forebay_log::Log;
use forebay_model::ownership::{MoveEntry, MoveId, Unit};
use forebay_model::{ShardId, ShardMap};
use forebay_shard::job::MovesLead;
use forebay_shard::{PoolSettings, ShardArgs, ShardPool, ShardPools};
use futures::future::{join_all, join4};
use metrics::{counter, gauge};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, instrument, warn};

use self::standing::Troubles;
use crate::metrics::{MOVES_AGE_SECONDS, MOVES_FAILURES, MOVES_HELD_UP, MOVES_ROWS, MOVES_STEPS, MOVES_UNITS};
use crate::status::backlog::Backlog;
use crate::{WriterOptions, retry};

/// How often a process that does not move a shard's units asks whether it should.
const STANDBY_POLL: Duration = Duration::from_secs(2);
/// How often connections are closed that nobody uses.
const IDLE_LOOK: Duration = Duration::from_secs(30);
/// How often figures are renewed where nothing is decided.
const FIGURES_EVERY: Duration = Duration::from_secs(5);
/// What a unit can be while it moves.
const PHASES: [&str; 8] = ["waiting", "copying", "releasing", "routed", "active", "owned", "refused", "turned_back"];
/// The end of a move, as its last step.
const FINISHED: &str = "finished";

/// Makes what is counted of a shard, before anything has happened.
pub(crate) fn begin_counters(shard: ShardId) {
    for phase in PHASES.into_iter().chain([FINISHED]) {
        counter!(MOVES_STEPS.name, "phase" => phase).increment(0);
    }
    for of_shard in [MOVES_ROWS, MOVES_FAILURES] {
        counter!(of_shard.name, "shard" => shard.to_string()).increment(0);
    }
}

/// Moves what the map says.
pub(crate) struct Moving {
    log: Log,
    /// Connections to the shards of the map.
    pools: ShardPools,
    /// Told where a shard has come, or is elsewhere.
    replaced: watch::Sender<()>,
    /// How long sources keep their rows, where the map does not say.
    keep: Duration,
    /// How many units of a shard may be under way at the same time; 0: this process moves nothing.
    at_once: usize,
    troubles: Troubles,
    backlog: Backlog,
}

impl Moving {
    /// Of a writer with these settings and streams.
    pub(crate) fn new(log: Log, shards: ShardArgs, options: &WriterOptions, backlog: Backlog) -> Self {
        let (keep, at_once) = (options.keep_behind, options.moves_at_once.into());
        let (pools, troubles) = (ShardPools::new(shards, pool_settings()), Troubles::default());
        Self { log, pools, replaced: watch::Sender::new(()), keep, at_once, troubles, backlog }
    }

    /// Moves until stopping begins. What is given up then others go on with.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<()> {
        let all = join4(self.answer(), self.follow(), self.every_shard(), self.figures());
        stop.run_until_cancelled(all).await;
        Ok(())
    }

    /// Tells why something stands still, where it is asked.
    async fn answer(&self) -> Infallible {
        let mut backoff = retry::BACKOFF;
        loop {
            if let Err(error) = answer(&self.log, || self.troubles.told(&self.backlog)).await {
                warn!(error = format!("{error:#}"), "nobody can be told why something does not move");
            }
            backoff.wait().await;
        }
    }

    /// Has connections to where the shards are.
    async fn follow(&self) -> Infallible {
        let mut maps = self.log.map();
        loop {
            let map = maps.borrow_and_update().clone();
            if map.is_some_and(|map| !self.pools.follow_or_say(&map).is_empty()) {
                self.replaced.send_replace(());
            }
            self.pools.all().iter().for_each(ShardPool::close_idle);
            if let Ok(Err(_)) = timeout(IDLE_LOOK, maps.changed()).await {
                // The log is being let go.
                std::future::pending::<()>().await;
            }
        }
    }

    async fn every_shard(&self) -> Infallible {
        if self.at_once == 0 {
            return std::future::pending().await;
        }
        let mut maps = self.log.map();
        loop {
            let shards = shards_of(maps.borrow_and_update().as_deref());
            let others = async { maps.wait_for(|map| shards_of(map.as_deref()) != shards).await.is_err() };
            let moving = join_all(shards.iter().map(|&shard| self.move_out_of(shard)));
            let is_over = tokio::select! {
                _ = moving, if !shards.is_empty() => false,
                is_over = others => is_over,
            };
            if is_over {
                // The log is being let go.
                std::future::pending::<()>().await;
            }
        }
    }

    #[instrument(name = "move", skip_all, fields(%from))]
    async fn move_out_of(&self, from: ShardId) -> Infallible {
        let mut backoff = retry::BACKOFF;
        let mut maps = self.log.map();
        loop {
            let wanted = maps.wait_for(|map| map.as_ref().is_some_and(|map| has_work(map, from)));
            let is_over = wanted.await.is_err();
            if is_over {
                std::future::pending::<()>().await;
            }
            match self.move_from(from).await {
                Ok(()) => {
                    self.troubles.forget(from);
                    backoff.reset();
                }
                Err(error) => {
                    self.trouble((from, MoverShare::All), from, &format!("{error:#}"));
                    backoff.wait().await;
                }
            }
        }
    }

    /// Moves what leaves a shard, until nothing does any more.
    async fn move_from(&self, from: ShardId) -> Result<()> {
        let mut replaced = self.replaced.subscribe();
        let pools = self.pools.all();
        let Some(pool) = pools.iter().find(|pool| pool.shard() == from) else {
            // The map is newer than they are.
            let _ = timeout(STANDBY_POLL, replaced.changed()).await;
            return Ok(());
        };
        let Some(mut lead) = MovesLead::take(pool).await? else {
            sleep(STANDBY_POLL).await;
            return Ok(());
        };
        self.troubles.only(from, MoverShare::All, &BTreeSet::new());
        let settings =
            MoverSettings { keep: self.keep, from: Some(from), part: MoverShare::Copying, at_once: self.at_once };
        let mut copying = Mover::new(&self.log, &pools, settings);
        let mut between = Mover::new(&self.log, &pools, MoverSettings { part: MoverShare::Between, ..settings });
        let mut kept = Mover::new(&self.log, &pools, MoverSettings { part: MoverShare::Kept, ..settings });
        tokio::select! {
            // Whichever sees first that nothing is wanted any more ends all: of several that end by themselves, one could miss that something was
            // wanted again in between, and the others would go on without it.
            done = self.while_wanted((from, MoverShare::Copying), &mut copying) => done,
            done = self.while_wanted((from, MoverShare::Between), &mut between) => done,
            done = self.while_wanted((from, MoverShare::Kept), &mut kept) => done,
            lost = lead.lost() => Err(lost.into()),
            // The next mover has connections to where they are now.
            _ = replaced.changed() => Ok(()),
        }
    }

    async fn while_wanted(&self, of: (ShardId, MoverShare), mover: &mut Mover<'_>) -> Result<()> {
        let maps = self.log.map();
        let is_wanted = || maps.borrow().as_ref().is_some_and(|map| has_work(map, of.0));
        while is_wanted() {
            let wrong = Mutex::new(BTreeSet::new());
            let tell = |event| {
                if let MoveEvent::Trouble(shard, why) = event {
                    wrong.lock().unwrap_or_else(PoisonError::into_inner).insert(shard);
                    self.trouble(of, shard, &why);
                } else {
                    tell(event);
                }
            };
            mover.go_on(&tell).await?;
            self.troubles.only(of.0, of.1, &wrong.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
        Ok(())
    }

    /// Keeps the figures of all that moves.
    async fn figures(&self) -> Infallible {
        let mut maps = self.log.map();
        let mut begun: BTreeMap<(Unit, MoveId), Instant> = BTreeMap::new();
        loop {
            if let Some(map) = maps.borrow_and_update().clone() {
                let moving = |entry: &&MoveEntry| !entry.phase.is_owned();
                begun.retain(|(unit, of), _| map.moving(*unit).is_some_and(|entry| entry.of == *of));
                for entry in map.moves().iter().filter(moving) {
                    begun.entry((entry.unit, entry.of)).or_insert_with(Instant::now);
                }
                begun.retain(|(unit, _), _| map.moving(*unit).is_some_and(|entry| !entry.phase.is_owned()));
                for shard in map.shards() {
                    let is_held_up = self.troubles.has(shard);
                    gauge!(MOVES_HELD_UP.name, "shard" => shard.to_string()).set(if is_held_up { 1.0 } else { 0.0 });
                }
                for phase in PHASES {
                    let units = match phase {
                        "waiting" => map.queue().waiting().count(),
                        phase => map.moves().iter().filter(|entry| entry.phase.as_str() == phase).count(),
                    };
                    gauge!(MOVES_UNITS.name, "phase" => phase).set(units as f64);
                }
            }
            let oldest = begun.values().min().map_or(Duration::ZERO, Instant::elapsed);
            gauge!(MOVES_AGE_SECONDS.name).set(oldest.as_secs_f64());
            let _ = timeout(FIGURES_EVERY, maps.changed()).await;
        }
    }

    /// Says once what is wrong.
    fn trouble(&self, (from, part): (ShardId, MoverShare), shard: ShardId, why: &str) {
        counter!(MOVES_FAILURES.name, "shard" => shard.to_string()).increment(1);
        if self.troubles.note(from, part, shard, why) {
            warn!(%shard, trouble = why, "a move is held up, and tried again");
        }
    }
}

fn shards_of(map: Option<&ShardMap>) -> Vec<ShardId> {
    map.map_or_else(Vec::new, |map| map.shards().collect())
}

fn pool_settings() -> PoolSettings {
    PoolSettings {
        application_name: "forebay-moves".to_owned(),
        acquire_timeout: Duration::from_secs(5),
        statement_timeout: Duration::from_mins(5),
        ..PoolSettings::default()
    }
}

/// Counts what a mover tells, and logs it.
fn tell(event: MoveEvent) {
    match event {
        MoveEvent::Came(entry, phase) => {
            counter!(MOVES_STEPS.name, "phase" => phase.as_str()).increment(1);
            info!(unit = name(entry.unit), from = %entry.from, to = %entry.to, phase = phase.as_str(), "a move has come further");
        }
        MoveEvent::Copied(entry, rows) => {
            counter!(MOVES_ROWS.name, "shard" => entry.from.to_string()).increment(rows as u64);
        }
        MoveEvent::Differs(unit, rows) => {
            error!(unit = name(unit), ?rows, "two shards have other rows of a unit, which stays where it is");
        }
        MoveEvent::Finished(entry) => {
            counter!(MOVES_STEPS.name, "phase" => FINISHED).increment(1);
            info!(unit = name(entry.unit), from = %entry.from, to = %entry.to, "a move has ended");
        }
        // That is told by what is wrong with which part.
        MoveEvent::Trouble(..) => {}
    }
}
