//! Units that move: whatever the map says is under way, or waits, from any shard. One writer process at a time goes on with what leaves a shard; where
//! it dies, another does.
//!
//! Nothing here ends a writer: what goes wrong is told and tried again.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use forebay_admin::moves::plan::name;
use forebay_admin::moves::{Lead, MoveEvent, Mover, MoverSettings, Part, has_work};
use forebay_log::Log;
use forebay_model::ownership::{MoveId, Unit};
use forebay_model::{ShardId, ShardMap};
use forebay_shard::{PoolSettings, ShardArgs, ShardList, ShardPool};
use futures::future::join_all;
use metrics::{counter, gauge};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, instrument, warn};

use crate::metrics::{MOVES_AGE_SECONDS, MOVES_FAILURES, MOVES_ROWS, MOVES_STEPS, MOVES_UNITS};
use crate::retry;

/// How often a process that does not move a shard's units asks whether it should.
const STANDBY_POLL: Duration = Duration::from_secs(2);
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
#[derive(Debug)]
pub(crate) struct Moving {
    pub(crate) log: Log,
    /// Where shards are that the map does not say.
    pub(crate) shards: ShardArgs,
    /// How long sources keep their rows, where the map does not say.
    pub(crate) keep: Duration,
    /// How many units of a shard may be under way at the same time; 0: this process moves nothing.
    pub(crate) at_once: usize,
}

impl Moving {
    /// Moves until stopping begins. What is given up then others go on with.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<()> {
        if self.at_once == 0 {
            stop.cancelled().await;
            return Ok(());
        }
        stop.run_until_cancelled(futures::future::join(self.every_shard(), figures(self.log.map()))).await;
        Ok(())
    }

    async fn every_shard(&self) -> Infallible {
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
        let teller = Teller::default();
        let mut backoff = retry::BACKOFF;
        let mut maps = self.log.map();
        loop {
            let wanted = maps.wait_for(|map| map.as_ref().is_some_and(|map| has_work(map, from)));
            let is_over = wanted.await.is_err();
            if is_over {
                std::future::pending::<()>().await;
            }
            match self.move_from(from, &teller).await {
                Ok(()) => backoff.reset(),
                Err(error) => {
                    teller.trouble(from, format!("{error:#}"));
                    backoff.wait().await;
                }
            }
        }
    }

    /// Moves what leaves a shard, until nothing does any more.
    async fn move_from(&self, from: ShardId, teller: &Teller) -> Result<()> {
        let mut maps = self.log.map();
        let there = self.addresses(maps.borrow_and_update().as_deref())?;
        let pools: Vec<ShardPool> =
            there.iter().map(|(shard, addresses)| ShardPool::new(shard, addresses, &pool_settings())).collect();
        let pool = pools.iter().find(|pool| pool.shard() == from).context("it is nowhere")?;
        let Some(mut lead) = Lead::take(pool).await? else {
            sleep(STANDBY_POLL).await;
            return Ok(());
        };
        let tell = |event| teller.tell(event);
        let settings = MoverSettings { keep: self.keep, from: Some(from), part: Part::Copying, at_once: self.at_once };
        let mut copying = Mover::new(&self.log, &pools, settings);
        let mut others = Mover::new(&self.log, &pools, MoverSettings { part: Part::Others, ..settings });
        let is_elsewhere = |map: &Option<Arc<ShardMap>>| self.addresses(map.as_deref()).is_ok_and(|now| now != there);
        tokio::select! {
            // Whichever sees first that nothing is wanted any more ends both: of two that end by themselves, one could miss that something was
            // wanted again in between, and the other would go on without it.
            done = self.while_wanted(from, &mut copying, &tell) => done,
            done = self.while_wanted(from, &mut others, &tell) => done,
            lost = lead.lost() => Err(lost),
            // Whoever goes on has connections to where they are now.
            _ = maps.wait_for(is_elsewhere) => Ok(()),
        }
    }

    /// Where the shards of a map are.
    fn addresses(&self, map: Option<&ShardMap>) -> Result<ShardList> {
        Ok(self.shards.of_map(map.context("there is no shard map")?)?)
    }

    async fn while_wanted(
        &self,
        from: ShardId,
        mover: &mut Mover<'_>,
        tell: &(dyn Fn(MoveEvent) + Sync),
    ) -> Result<()> {
        let maps = self.log.map();
        let is_wanted = || maps.borrow().as_ref().is_some_and(|map| has_work(map, from));
        while is_wanted() {
            mover.go_on(tell).await?;
        }
        Ok(())
    }
}

fn shards_of(map: Option<&ShardMap>) -> Vec<ShardId> {
    map.map_or_else(Vec::new, |map| map.shards().collect())
}

fn pool_settings() -> PoolSettings {
    PoolSettings {
        application_name: "forebay-moves".to_owned(),
        connections_max: 6,
        acquire_timeout: Duration::from_secs(5),
        statement_timeout: Duration::from_mins(5),
        ..PoolSettings::default()
    }
}

/// Counts what movers tell, and logs it.
#[derive(Debug, Default)]
struct Teller {
    /// What is wrong with which shard, as it was said last.
    troubles: Mutex<BTreeMap<ShardId, String>>,
}

impl Teller {
    fn tell(&self, event: MoveEvent) {
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
            MoveEvent::Trouble(shard, trouble) => self.trouble(shard, trouble),
            MoveEvent::Finished(entry) => {
                counter!(MOVES_STEPS.name, "phase" => FINISHED).increment(1);
                info!(unit = name(entry.unit), from = %entry.from, to = %entry.to, "a move has ended");
            }
        }
    }

    /// Says once what is wrong.
    fn trouble(&self, shard: ShardId, trouble: String) {
        counter!(MOVES_FAILURES.name, "shard" => shard.to_string()).increment(1);
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if troubles.get(&shard) != Some(&trouble) {
            warn!(%shard, trouble, "a move is held up, and tried again");
            troubles.insert(shard, trouble);
        }
    }
}

/// Keeps the figures of all that moves.
async fn figures(mut maps: watch::Receiver<Option<Arc<ShardMap>>>) -> Infallible {
    let mut begun: BTreeMap<(Unit, MoveId), Instant> = BTreeMap::new();
    loop {
        if let Some(map) = maps.borrow_and_update().clone() {
            let moving = |entry: &&forebay_model::ownership::Entry| !entry.phase.is_owned();
            begun.retain(|(unit, of), _| map.moving(*unit).is_some_and(|entry| entry.of == *of));
            for entry in map.moves().iter().filter(moving) {
                begun.entry((entry.unit, entry.of)).or_insert_with(Instant::now);
            }
            begun.retain(|(unit, _), _| map.moving(*unit).is_some_and(|entry| !entry.phase.is_owned()));
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
