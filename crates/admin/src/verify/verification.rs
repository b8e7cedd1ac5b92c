//! What every check needs: the log, the map, the shards, and what has been found so far.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use forebay_log::Log;
use forebay_model::tuple::Tuples;
use forebay_model::{Bucket, Deriver, Lane, OrderParser, Position, ShardId, ShardMap, StreamId, StreamKind, ViewSet};
use forebay_shard::{AcceptedLoss, Comparison, Derived, Difference, PoolSettings, ShardPool, StreamPosition};
use tokio::time::{Instant, sleep};

use super::report::Report;
use super::settings::{Depth, Settings, Step};
use super::snapshot::Snapshot;
use crate::Tell;
use crate::owed::frames_owed;
use crate::stored_order::{self, OrderKey, StoredOrder};
use crate::system::System;

const POLL: Duration = Duration::from_millis(50);

/// The checks of a system.
pub(super) struct Verification<'a> {
    pub(super) log: Log,
    pub(super) map: Arc<ShardMap>,
    /// Of whole orders, whatever views there are.
    pub(super) parser: OrderParser,
    pub(super) views: ViewSet,
    pub(super) deriver: Deriver,
    pub(super) depth: Depth,
    wait: Duration,
    pub(super) report: Report,
    tell: Tell<'a, (ShardId, Step)>,
    pools: BTreeMap<ShardId, ShardPool>,
    comparisons: BTreeMap<(ShardId, Lane), Comparison>,
    /// Streams that were not read up to what they held: they are not waited for again.
    stuck: BTreeSet<StreamId>,
    /// Shards, and those to which they owe what follows from their orders: these are not waited for again, either.
    owing: BTreeSet<(ShardId, ShardId)>,
    /// Whether a loss of a shard's logged stream was ever accepted.
    losses: BTreeMap<ShardId, bool>,
}

impl<'a> Verification<'a> {
    pub(super) async fn new(system: &System, settings: &Settings, tell: Tell<'a, (ShardId, Step)>) -> Result<Self> {
        system.pools(settings.shard, &pool_settings())?;
        let log = system.connect_log().await?;
        let map = system.map(&log).await?;
        let pools = system.pools(None, &pool_settings())?;
        let comparison = |(shard, addresses)| Lane::ALL.map(|lane| ((shard, lane), Comparison::new(addresses, lane)));
        Ok(Self {
            log,
            parser: OrderParser::of_stored(ViewSet::default()),
            deriver: Deriver::new(settings.views.clone(), Arc::clone(&map)),
            map,
            views: settings.views.clone(),
            depth: settings.depth,
            wait: settings.wait,
            tell,
            report: Report::default(),
            pools: pools.into_iter().map(|pool| (pool.shard(), pool)).collect(),
            comparisons: system.shards.iter().flat_map(comparison).collect(),
            stuck: BTreeSet::new(),
            owing: BTreeSet::new(),
            losses: BTreeMap::new(),
        })
    }

    /// Checks the shards of the map, one after the other, or only one.
    pub(super) async fn run(&mut self, only: Option<ShardId>) -> Result<()> {
        let asked: Vec<ShardId> = self.map.shards().filter(|&shard| only.is_none_or(|only| only == shard)).collect();
        for shard in asked {
            self.shard(shard).await.with_context(|| format!("shard {shard}"))?;
        }
        Ok(())
    }

    pub(super) fn tell(&self, shard: ShardId, step: Step) {
        (self.tell)((shard, step));
    }

    pub(super) fn into_report(self) -> Report {
        self.report
    }

    async fn shard(&mut self, shard: ShardId) -> Result<()> {
        let mut snapshot = Snapshot::open(self.pool(shard)?).await?;
        for stream in StreamKind::ALL {
            self.tell(shard, Step::Stream(stream));
            self.stream(&mut snapshot, stream).await?;
        }
        let rows = |report: &Report, lane: Lane| {
            let figures = report.lanes.iter().find(|figures| (figures.shard, figures.lane) == (shard, lane));
            figures.map_or(0, |figures| figures.rows_in_table)
        };
        self.tell(shard, Step::Orders);
        let orders = rows(&self.report, Lane::Orders);
        self.facts_of_orders(&mut snapshot, orders).await?;
        self.tell(shard, Step::Times);
        self.orders_of_times(&mut snapshot).await?;
        if self.depth == Depth::Full {
            self.stored_twice(&mut snapshot).await?;
        }
        self.tell(shard, Step::Origins);
        let (views, entries) = (rows(&self.report, Lane::Views), rows(&self.report, Lane::Index));
        self.orders_of_views(&mut snapshot, views).await?;
        self.orders_of_index(&mut snapshot, entries).await
    }

    pub(super) fn pool(&self, shard: ShardId) -> Result<&ShardPool> {
        self.pools.get(&shard).with_context(|| format!("shard {shard} is in the map, and not among --shards"))
    }

    /// The facts among these that a shard does not store as they are.
    pub(super) async fn differences(&mut self, shard: ShardId, lane: Lane, facts: &[Bytes]) -> Result<Vec<Difference>> {
        let comparison = self.comparisons.get_mut(&(shard, lane));
        let comparison = comparison.with_context(|| format!("shard {shard} is in the map, and not among --shards"))?;
        comparison.differences(facts).await.with_context(|| format!("shard {shard}, lane {lane}"))
    }

    /// Identities of orders with their buckets.
    pub(super) fn routed(&self, keys: impl IntoIterator<Item = OrderKey>) -> Vec<(Bucket, OrderKey)> {
        let hash = self.map.hash();
        keys.into_iter().map(|key| (hash.bucket_of(&key.tenant, &key.customer_id), key)).collect()
    }

    /// The stored orders with these identities, wherever the map reads them from.
    pub(super) async fn orders(
        &self,
        wanted: impl IntoIterator<Item = (Bucket, OrderKey)>,
    ) -> Result<HashMap<OrderKey, StoredOrder>> {
        let mut found = HashMap::new();
        for (shard, wanted) in self.by_shard(wanted) {
            let mut connection = self.pool(shard)?.acquire().await?;
            let orders = stored_order::find(&mut connection, &wanted).await;
            let orders = orders.with_context(|| format!("orders of shard {shard}"))?;
            found.extend(orders.into_iter().map(|order| (order.key.clone(), order)));
        }
        Ok(found)
    }

    /// Those of these identities whose orders are stored, wherever the map reads them from.
    pub(super) async fn stored(
        &self,
        wanted: impl IntoIterator<Item = (Bucket, OrderKey)>,
    ) -> Result<HashSet<OrderKey>> {
        let mut found = HashSet::new();
        for (shard, wanted) in self.by_shard(wanted) {
            let mut connection = self.pool(shard)?.acquire().await?;
            let keys = stored_order::existing(&mut connection, &wanted).await;
            found.extend(keys.with_context(|| format!("orders of shard {shard}"))?);
        }
        Ok(found)
    }

    /// Identities by the shards that the map reads their orders from.
    fn by_shard(
        &self,
        wanted: impl IntoIterator<Item = (Bucket, OrderKey)>,
    ) -> BTreeMap<ShardId, Vec<(Bucket, OrderKey)>> {
        let mut by_shard: BTreeMap<ShardId, Vec<(Bucket, OrderKey)>> = BTreeMap::new();
        for (bucket, key) in wanted {
            for &shard in self.map.read_shards(bucket) {
                by_shard.entry(shard).or_default().push((bucket, key.clone()));
            }
        }
        by_shard
    }

    /// Waits until a stream has been read up to what it holds now. `false` where that takes too long.
    pub(super) async fn pass(&mut self, stream: StreamId) -> Result<bool> {
        if self.stuck.contains(&stream) {
            return Ok(false);
        }
        let last = self.log.stream_state(stream).await?.last();
        let deadline = Instant::now() + self.wait;
        loop {
            let mut connection = self.pool(stream.shard)?.acquire().await?;
            let at = StreamPosition::of(&mut connection, stream.kind).await?.map(|stored| stored.position);
            drop(connection);
            // Where nothing was ever logged, nothing was ever read.
            if last.seq == 0 || at.is_some_and(|at| at.covers(last)) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                let note = format!("{stream} has not been read up to frame {} within {:?}", last.seq, self.wait);
                self.report.notes.push(note);
                self.stands_still(stream);
                return Ok(false);
            }
            sleep(POLL).await;
        }
    }

    /// Notes that there is no use in waiting for a stream.
    pub(super) fn stands_still(&mut self, stream: StreamId) {
        self.stuck.insert(stream);
    }

    /// Waits until what follows from a shard's orders up to a position is stored on another. `false` where that takes too long.
    pub(super) async fn derived(&mut self, home: ShardId, at: Position, target: ShardId) -> Result<bool> {
        if self.owing.contains(&(home, target)) {
            return Ok(false);
        }
        let deadline = Instant::now() + self.wait;
        while !self.is_published(home, at, target).await? {
            if Instant::now() >= deadline {
                let what = format!("shard {home} owes shard {target} what follows from its orders");
                self.report.notes.push(format!("{what}, since {:?} or longer", self.wait));
                self.owing.insert((home, target));
                return Ok(false);
            }
            sleep(POLL).await;
        }
        self.pass(StreamKind::Derived.on(target)).await
    }

    async fn is_published(&self, home: ShardId, at: Position, target: ShardId) -> Result<bool> {
        let notes = Derived::all(&mut *self.pool(home)?.acquire().await?).await?;
        let Some(note) = notes.iter().find(|note| note.target == target) else { return Ok(false) };
        let state = self.log.stream_state(StreamKind::Derived.on(target)).await?;
        Ok(frames_owed(note, at, &state) == Some(0))
    }

    /// Whether a shard may have lost orders that index and views were derived of: one that was restored, and whose log did not
    /// hold all that had been stored since.
    pub(super) async fn may_have_lost_orders(&mut self, shard: ShardId) -> Result<bool> {
        if let Some(&may) = self.losses.get(&shard) {
            return Ok(may);
        }
        let may = AcceptedLoss::is_any(&mut *self.pool(shard)?.acquire().await?, StreamKind::Logged).await?;
        self.losses.insert(shard, may);
        Ok(may)
    }
}

/// The tuples of a payload, each by itself; it ends where one cannot be read.
pub(super) fn tuples(lane: Lane, payload: &Bytes) -> Vec<Bytes> {
    Tuples::new(lane, payload).map_while(Result::ok).map(|tuple| payload.slice_ref(tuple.bytes())).collect()
}

/// The identity of the order that a tuple belongs to.
pub(super) fn key_of(lane: Lane, tuple: &Bytes) -> Option<OrderKey> {
    stored_order::key_of(&Tuples::new(lane, tuple).next()?.ok()?).ok()
}

/// For lookups by primary key, whatever the planner thinks of a table that it has no figures of.
fn pool_settings() -> PoolSettings {
    PoolSettings {
        application_name: "forebay-verify".to_owned(),
        connections_max: 4,
        acquire_timeout: Duration::from_secs(3),
        statement_timeout: Duration::from_mins(1),
        parameters: vec![
            ("plan_cache_mode", "force_custom_plan"),
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
        ],
    }
}
