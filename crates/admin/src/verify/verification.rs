//! A verification, and what it has found so far. Shards are checked side by side, and the streams of a shard; each has a verification
//! of its own, and what they have found is put together in their order.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use forebay_model::tuple::{TupleError, Tuples};
use forebay_model::{Lane, Position, ShardId, StreamId, StreamKind};
use forebay_shard::check::Snapshot;
use forebay_shard::{Derived, StreamPosition};
use futures::future::join_all;
use tokio::time::{Instant, sleep};

use super::report::{Report, Unfinished};
use super::scope::Scope;
use super::settings::{CheckStage, Depth};
use crate::facts::order::{self, OrderKey};
use crate::facts::owed::frames_owed;

const POLL: Duration = Duration::from_millis(50);

/// The verification of a part of the system.
pub(super) struct Verification<'a> {
    pub(super) scope: &'a Scope<'a>,
    pub(super) report: Report,
}

impl<'a> Verification<'a> {
    pub(super) fn new(scope: &'a Scope<'a>) -> Self {
        Self { scope, report: Report::default() }
    }

    /// One of the same system that has found nothing yet.
    pub(super) fn branch(&self) -> Self {
        Self::new(self.scope)
    }

    pub(super) fn into_report(self) -> Report {
        self.report
    }

    /// Checks the shards of the map side by side, or only one. Where one cannot be checked to its end, the others are.
    pub(super) async fn run(&mut self, only: Option<ShardId>) {
        let asked = self.scope.map.shards().filter(|&shard| only.is_none_or(|only| only == shard));
        let checks = asked.map(|shard| {
            let mut check = self.branch();
            async move {
                if let Err(error) = check.shard(shard).await {
                    check.report.unfinished.push(Unfinished { shard, why: format!("{error:#}") });
                }
                check.into_report()
            }
        });
        for found in join_all(checks).await {
            self.report.add(found);
        }
    }

    async fn shard(&mut self, shard: ShardId) -> Result<()> {
        let mut snapshot = Snapshot::open(self.scope.pool(shard)?).await?;
        self.streams(&mut snapshot).await?;
        let rows = |report: &Report, lane: Lane| {
            let figures = report.lanes.iter().find(|figures| figures.lane == lane);
            figures.map_or(0, |figures| figures.rows_in_table)
        };
        self.views_in_force(&mut snapshot).await?;
        self.scope.tell(shard, CheckStage::Orders);
        let orders = rows(&self.report, Lane::Orders);
        self.facts_of_orders(&mut snapshot, orders).await?;
        for lane in [Lane::Orders, Lane::Views] {
            let there = rows(&self.report, lane);
            self.statuses(&mut snapshot, lane, there).await?;
        }
        self.scope.tell(shard, CheckStage::Times);
        self.orders_of_times(&mut snapshot).await?;
        if self.scope.depth == Depth::Full {
            self.stored_twice(&mut snapshot).await?;
        }
        self.scope.tell(shard, CheckStage::Origins);
        for lane in [Lane::Views, Lane::ViewEvents] {
            let seen = rows(&self.report, lane);
            self.orders_of_views(&mut snapshot, lane, seen).await?;
        }
        let entries = rows(&self.report, Lane::Index);
        self.orders_of_index(&mut snapshot, entries).await
    }

    /// Checks the counters of each stream, then their logs side by side.
    async fn streams(&mut self, snapshot: &mut Snapshot) -> Result<()> {
        let mut checks = Vec::new();
        for stream in StreamKind::ALL {
            self.scope.tell(snapshot.shard(), CheckStage::Stream(stream));
            let mut check = self.branch();
            let counted = check.counted(snapshot, stream).await?;
            checks.push((check, counted));
        }
        let checks = checks.into_iter().map(|(mut check, mut counted)| async move {
            let checked = check.log_of(&mut counted).await;
            check.report.lanes.append(&mut counted.figures);
            (check.into_report(), checked)
        });
        let mut all = Ok(());
        for (report, checked) in join_all(checks).await {
            self.report.add(report);
            all = all.and(checked);
        }
        all
    }

    /// Waits until a stream has been read up to what it holds now. `false` where that takes too long.
    pub(super) async fn pass(&mut self, stream: StreamId) -> Result<bool> {
        if self.scope.is_stuck(stream) {
            return Ok(false);
        }
        let last = self.scope.log.stream_state(stream).await?.last();
        let deadline = Instant::now() + self.scope.wait;
        loop {
            let mut connection = self.scope.pool(stream.shard)?.acquire().await?;
            let at = StreamPosition::of(&mut connection, stream.kind).await?.map(|stored| stored.position);
            drop(connection);
            // Where nothing was ever logged, nothing was ever read.
            if last.seq == 0 || at.is_some_and(|at| at.covers(last)) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                // Others may have waited for it at the same time.
                if self.scope.stands_still(stream) {
                    let (seq, wait) = (last.seq, self.scope.wait);
                    self.report.notes.push(format!("{stream} has not been read up to frame {seq} within {wait:?}"));
                }
                return Ok(false);
            }
            sleep(POLL).await;
        }
    }

    /// Waits until what follows from a shard's orders up to a position is stored on another. `false` where that takes too long.
    pub(super) async fn derived(&mut self, home: ShardId, at: Position, target: ShardId) -> Result<bool> {
        if self.scope.is_owing(home, target) {
            return Ok(false);
        }
        let deadline = Instant::now() + self.scope.wait;
        while !self.is_published(home, at, target).await? {
            if Instant::now() >= deadline {
                let what = format!("shard {home} owes shard {target} what follows from its orders");
                self.report.notes.push(format!("{what}, since {:?} or longer", self.scope.wait));
                self.scope.owes(home, target);
                return Ok(false);
            }
            sleep(POLL).await;
        }
        self.pass(StreamKind::Derived.on(target)).await
    }

    async fn is_published(&self, home: ShardId, at: Position, target: ShardId) -> Result<bool> {
        let notes = Derived::all(&mut *self.scope.pool(home)?.acquire().await?).await?;
        let Some(note) = notes.iter().find(|note| note.target == target) else { return Ok(false) };
        let state = self.scope.log.stream_state(StreamKind::Derived.on(target)).await?;
        Ok(frames_owed(note, at, &state) == Some(0))
    }
}

/// The tuples of a payload by row, each by itself, or what is wrong with it; it ends with one whose end cannot be found.
pub(super) fn tuples(lane: Lane, payload: &Bytes) -> Vec<Result<Bytes, TupleError>> {
    Tuples::new(lane, payload).map(|tuple| Ok(payload.slice_ref(tuple?.bytes()))).collect()
}

/// The identity of the order that a tuple belongs to.
pub(super) fn key_of(lane: Lane, tuple: &Bytes) -> Option<OrderKey> {
    order::key_of(&Tuples::new(lane, tuple).next()?.ok()?).ok()
}
