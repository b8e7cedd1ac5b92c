//! Merging partitions that are no longer written to, beside a stream's session and for as long as it lasts.
//!
//! Whatever goes wrong here is tried again much later, and never disturbs the session. After each piece it pauses for as long
//! as the piece took: ingestion goes first.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use forebay_model::{Lane, ShardId, Timestamp};
use forebay_shard::{Build, ErrorClass, Merger, Period, ShardAddress, StoreError, Swap, Touch};
use metrics::{counter, histogram};
use tokio::time::{Instant, sleep};
use tracing::{info, instrument, warn};

use crate::metrics::{MERGE_SECONDS, MERGES};
use crate::upkeep::day_activity::{DayActivity, day_of};

/// How often it is looked whether there is something to merge.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// How long to wait after a failure or a copy that was made in vain, at least and at most.
const SETBACK_PAUSE: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(1));
/// How long it is tried to put a table in its place.
const SWAP_WITHIN: Duration = Duration::from_mins(15);
/// How long to wait before it is tried again, at first and at most: while the lock is waited for, everybody waits.
const SWAP_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Merges the partitions of one lane.
#[derive(Debug)]
pub(crate) struct Merging {
    lane: Lane,
    shard: ShardId,
    address: ShardAddress,
    activity: Arc<DayActivity>,
    /// How long nothing may have touched a period.
    idle_for: Duration,
}

/// What is counted where one could not be merged at all.
const FAILED: &str = "failed";

/// What became of one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Merged,
    /// Something touched it meanwhile.
    Touched,
    /// The lock on the table was never free in time, or an old snapshot never given up.
    Busy,
}

impl Merging {
    pub(crate) fn new(
        lane: Lane,
        shard: ShardId,
        address: ShardAddress,
        activity: Arc<DayActivity>,
        idle_for: Duration,
    ) -> Self {
        Self { lane, shard, address, activity, idle_for }
    }

    /// Merges whatever can be merged, until it is given up.
    #[instrument(name = "merge", skip_all, fields(lane = %self.lane))]
    pub(crate) async fn run(self) -> Infallible {
        if self.idle_for.is_zero() || !self.lane.is_partitioned_by_time() {
            return std::future::pending().await;
        }
        let (mut setbacks, mut is_warned) = (0, false);
        loop {
            sleep(self.pause_after(setbacks)).await;
            match self.merge_all().await {
                Ok(true) => (setbacks, is_warned) = (0, false),
                Ok(false) => setbacks += 1,
                Err(error) => {
                    setbacks += 1;
                    self.failed(&error, !std::mem::replace(&mut is_warned, true));
                }
            }
        }
    }

    fn pause_after(&self, setbacks: u32) -> Duration {
        let (least, most) = SETBACK_PAUSE;
        match setbacks {
            0 => self.idle_for.min(LOOK_EVERY),
            n => least.saturating_mul(1 << n.min(10)).min(most),
        }
    }

    fn failed(&self, error: &StoreError, is_news: bool) {
        self.count(FAILED);
        if is_news {
            warn!(class = %error.class(), %error, "partitions were not merged, trying again later");
        }
    }

    /// Merges period after period, until every one that is left is written to. Returns whether nothing stood in the way.
    async fn merge_all(&self) -> Result<bool, StoreError> {
        let Some(mut merger) = Merger::open(&self.address, self.lane).await? else { return Ok(true) };
        while let Some(period) = self.next_period(&mut merger).await? {
            if self.merge(&mut merger, period).await? == Outcome::Busy {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn next_period(&self, merger: &mut Merger) -> Result<Option<Period>, StoreError> {
        let Some(since) = Instant::now().checked_sub(self.idle_for) else { return Ok(None) };
        let periods = merger.periods(Timestamp::now()).await?;
        Ok(periods.into_iter().find(|period| self.activity.is_idle(days_of(period), since)))
    }

    async fn merge(&self, merger: &mut Merger, period: Period) -> Result<Outcome, StoreError> {
        // Whatever is committed from here on may be missed by the copying.
        let (begun, days) = (Instant::now(), days_of(&period));
        let mut build = merger.begin(period).await?;
        let outcome = self.fill_and_swap(merger, &mut build, &days, begun).await;
        match &outcome {
            Ok(Outcome::Merged) => {}
            Ok(_) => merger.discard().await?,
            // A full disk is wanted for orders. After any other failure the next attempt drops the table.
            Err(error) if error.class() == ErrorClass::Storage => merger.discard().await?,
            Err(_) => {}
        }
        let outcome = outcome?;
        self.tell(&build, outcome, begun.elapsed());
        Ok(outcome)
    }

    async fn fill_and_swap(
        &self,
        merger: &mut Merger,
        build: &mut Build,
        days: &Range<i64>,
        since: Instant,
    ) -> Result<Outcome, StoreError> {
        if self.fill(merger, build, days, since).await? {
            self.swap(merger, build, days, since).await
        } else {
            Ok(Outcome::Touched)
        }
    }

    /// Returns whether the table is filled; not, where something touched the period meanwhile.
    async fn fill(
        &self,
        merger: &mut Merger,
        build: &mut Build,
        days: &Range<i64>,
        since: Instant,
    ) -> Result<bool, StoreError> {
        loop {
            let piece = Instant::now();
            if !merger.step(build).await? {
                return Ok(true);
            }
            if !self.activity.is_idle(days.clone(), since) {
                return Ok(false);
            }
            sleep(piece.elapsed()).await;
        }
    }

    async fn swap(
        &self,
        merger: &mut Merger,
        build: &mut Build,
        days: &Range<i64>,
        since: Instant,
    ) -> Result<Outcome, StoreError> {
        let (begun, (least, most)) = (Instant::now(), SWAP_PAUSE);
        let mut pause = least;
        while begun.elapsed() < SWAP_WITHIN {
            let is_idle = || self.activity.is_idle(days.clone(), since);
            let touch = |at| self.activity.touch(at, days.clone(), since);
            let swap = merger.swap(build, |position| position.map_or(Touch::Yes, touch)).await?;
            match swap {
                Swap::Done => return Ok(Outcome::Merged),
                Swap::Stale => return Ok(Outcome::Touched),
                Swap::Early | Swap::Busy if !is_idle() => return Ok(Outcome::Touched),
                Swap::Early => sleep(least).await,
                Swap::Busy => {
                    sleep(pause).await;
                    pause = (pause * 2).min(most);
                }
            }
        }
        Ok(Outcome::Busy)
    }

    fn tell(&self, build: &Build, outcome: Outcome, took: Duration) {
        self.count(outcome.as_str());
        let (name, partitions, rows) = (build.name(), build.partitions(), build.rows());
        if outcome == Outcome::Merged {
            histogram!(MERGE_SECONDS.name, &self.lane.labels(self.shard)).record(took);
            info!(name, partitions, rows, ?took, "partitions were merged into one");
        } else {
            info!(name, partitions, outcome = outcome.as_str(), ?took, "partitions stay as they are for now");
        }
    }

    fn count(&self, outcome: &'static str) {
        count(self.lane, self.shard, outcome, 1);
    }
}

/// Counts what has not happened yet.
pub(crate) fn begin_counting_merges(lane: Lane, shard: ShardId) {
    let outcomes = [Outcome::Merged, Outcome::Touched, Outcome::Busy].map(Outcome::as_str);
    outcomes.into_iter().chain([FAILED]).for_each(|outcome| count(lane, shard, outcome, 0));
}

fn count(lane: Lane, shard: ShardId, outcome: &'static str, merges: u64) {
    let [lane, shard] = lane.labels(shard);
    counter!(MERGES.name, &[lane, shard, ("outcome", outcome.to_owned())]).increment(merges);
}

impl Outcome {
    /// Its name in metrics.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Merged => "merged",
            Self::Touched => "touched",
            Self::Busy => "busy",
        }
    }
}

/// Parts begin and end at midnight.
fn days_of(period: &Period) -> Range<i64> {
    day_of(period.from())..day_of(period.to())
}
