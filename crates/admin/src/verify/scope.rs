//! What every check needs of the system: the log, the map, the shards. Checks of several shards and streams share it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use forebay_log::Log;
use forebay_model::{Bucket, Deriver, Lane, OrderParser, ShardId, ShardMap, StreamId, StreamKind, Tuples, ViewSet};
use forebay_shard::owner::has_any_said;
use forebay_shard::{AcceptedLoss, Comparison, DeadLetter, Difference, PoolSettings, ShardPool};

use super::settings::{CheckStage, Depth, Settings};
use crate::Tell;
use crate::facts::order::{self, OrderKey, StoredOrder};
use crate::system::System;

/// What is checked.
pub(super) struct Scope<'a> {
    pub(super) log: Log,
    pub(super) map: Arc<ShardMap>,
    /// Of whole orders, whatever views there are.
    pub(super) parser: OrderParser,
    /// Those that facts may be derived with.
    pub(super) views: ViewSet,
    /// With the views that have what stored orders make.
    pub(super) deriver: Deriver,
    pub(super) depth: Depth,
    /// The longest to wait for what is on its way.
    pub(super) wait: Duration,
    tell: Tell<'a, (ShardId, CheckStage)>,
    pools: BTreeMap<ShardId, ShardPool>,
    /// A session for each lane of each shard.
    comparisons: BTreeMap<(ShardId, Lane), tokio::sync::Mutex<Comparison>>,
    known: Mutex<SystemFindings>,
}

/// What was found out of the system on the way, so that it need not be found out again.
#[derive(Debug, Default)]
struct SystemFindings {
    /// Streams that were not read up to what they held: they are not waited for again.
    stuck: BTreeSet<StreamId>,
    /// Shards, and those to which they owe what follows from their orders: these are not waited for again, either.
    owing: BTreeSet<(ShardId, ShardId)>,
    /// Whether a loss of a shard's logged stream was ever accepted.
    losses: BTreeMap<ShardId, bool>,
}

impl<'a> Scope<'a> {
    pub(super) async fn new(
        system: &System,
        settings: &Settings,
        tell: Tell<'a, (ShardId, CheckStage)>,
    ) -> Result<Self> {
        system.pools(settings.shard, &pool_settings())?;
        let log = system.connect_log().await?;
        let map = system.map(&log).await?;
        let pools = system.pools(None, &pool_settings())?;
        let comparison = |(shard, addresses)| {
            Lane::ALL.map(|lane| ((shard, lane), tokio::sync::Mutex::new(Comparison::new(addresses, lane))))
        };
        Ok(Self {
            log,
            parser: OrderParser::of_stored(ViewSet::default()),
            deriver: Deriver::new(map.settings().views.ready(), Arc::clone(&map)),
            views: map.settings().views.in_force().clone(),
            map,
            depth: settings.depth,
            wait: settings.wait,
            tell,
            pools: pools.into_iter().map(|pool| (pool.shard(), pool)).collect(),
            comparisons: system.shards.iter().flat_map(comparison).collect(),
            known: Mutex::default(),
        })
    }

    pub(super) fn tell(&self, shard: ShardId, stage: CheckStage) {
        (self.tell)((shard, stage));
    }

    pub(super) fn pool(&self, shard: ShardId) -> Result<&ShardPool> {
        self.pools.get(&shard).with_context(|| format!("the map does not say where shard {shard} is"))
    }

    /// The facts among these that a shard does not store as they are. Those of one lane are compared one call after the other.
    pub(super) async fn differences(&self, shard: ShardId, lane: Lane, facts: &[Bytes]) -> Result<Vec<Difference>> {
        let comparison = self.comparisons.get(&(shard, lane));
        let comparison = comparison.with_context(|| format!("the map does not say where shard {shard} is"))?;
        let differences = comparison.lock().await.differences(facts).await;
        differences.with_context(|| format!("shard {shard}, lane {lane}"))
    }

    /// The facts among these that are not stored as they are on the shard where they belong, whichever log they were logged in; but for those that died
    /// elsewhere, or at another place: they were sent on, or had waited.
    pub(super) async fn differences_at_home(&self, lane: Lane, facts: &[Bytes]) -> Result<Vec<Difference>> {
        let mut by_home: BTreeMap<ShardId, (Vec<usize>, Vec<Bytes>)> = BTreeMap::new();
        for (number, fact) in facts.iter().enumerate() {
            let tuple = Tuples::new(lane, fact).next().and_then(Result::ok);
            let bucket = tuple.and_then(|tuple| Some(u16::from_be_bytes(tuple.named("bucket")?.try_into().ok()?)));
            let Some(bucket) = bucket.and_then(Bucket::new) else { continue };
            let (numbers, of_home) = by_home.entry(self.map.shard(lane.kind(), bucket)).or_default();
            numbers.push(number);
            of_home.push(fact.clone());
        }
        let mut all = Vec::new();
        for (home, (numbers, of_home)) in by_home {
            let found = self.differences(home, lane, &of_home).await?;
            all.extend(found.into_iter().map(|found| Difference { fact: numbers[found.fact], ..found }));
        }
        let mut is_dead = vec![false; all.len()];
        if !all.is_empty() && self.has_moved().await? {
            let wanted: Vec<&[u8]> = all.iter().map(|found| &facts[found.fact][..]).collect();
            for pool in self.pools.values() {
                let found = DeadLetter::among(&mut *pool.acquire().await?, lane, &wanted).await?;
                for (dead, found) in is_dead.iter_mut().zip(found) {
                    *dead |= found;
                }
            }
        }
        let mut is_dead = is_dead.into_iter();
        all.retain(|_| !is_dead.next().unwrap_or_default());
        all.sort_by_key(|found| found.fact);
        Ok(all)
    }

    /// Whether any row was ever decided elsewhere than where it was logged.
    async fn has_moved(&self) -> Result<bool> {
        for pool in self.pools.values() {
            if has_any_said(&mut *pool.acquire().await?).await? {
                return Ok(true);
            }
        }
        Ok(false)
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
            let orders = order::find(&mut connection, &wanted).await;
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
            let keys = order::existing(&mut connection, &wanted).await;
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
            let shard = self.map.shard(StreamKind::Logged, bucket);
            by_shard.entry(shard).or_default().push((bucket, key));
        }
        by_shard
    }

    /// Whether a shard may have lost orders that index and views were derived of: one that was restored, and whose log did not
    /// hold all that had been stored since.
    pub(super) async fn may_have_lost_orders(&self, shard: ShardId) -> Result<bool> {
        if let Some(&may) = self.known().losses.get(&shard) {
            return Ok(may);
        }
        let may = AcceptedLoss::is_any(&mut *self.pool(shard)?.acquire().await?, StreamKind::Logged).await?;
        self.known().losses.insert(shard, may);
        Ok(may)
    }

    /// Notes that there is no use in waiting for a stream. Whether that is news.
    pub(super) fn stands_still(&self, stream: StreamId) -> bool {
        self.known().stuck.insert(stream)
    }

    /// Whether that was noted.
    pub(super) fn is_stuck(&self, stream: StreamId) -> bool {
        self.known().stuck.contains(&stream)
    }

    /// Notes that there is no use in waiting for what a shard owes to another.
    pub(super) fn owes(&self, home: ShardId, target: ShardId) {
        self.known().owing.insert((home, target));
    }

    /// Whether that was noted.
    pub(super) fn is_owing(&self, home: ShardId, target: ShardId) -> bool {
        self.known().owing.contains(&(home, target))
    }

    fn known(&self) -> MutexGuard<'_, SystemFindings> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For lookups by primary key, whatever the planner thinks of a table that it has no figures of.
fn pool_settings() -> PoolSettings {
    PoolSettings {
        application_name: "forebay-verify".to_owned(),
        // Every shard's checks look at every shard, each with a statement at a time.
        connections_max: 8,
        acquire_timeout: Duration::from_secs(30),
        statement_timeout: Duration::from_mins(1),
        parameters: vec![
            ("plan_cache_mode", "force_custom_plan"),
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
        ],
    }
}
