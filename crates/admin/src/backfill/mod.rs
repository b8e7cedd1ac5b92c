//! Index entries and view facts for orders that are already stored: for a view that was added, or where some are missing. Orders
//! may flow meanwhile.
//!
//! Every shard's orders are read in the order of their time, and what follows from them is put into the derived streams, as
//! the writers put it there behind their commits. Facts that are there already are duplicates, so running it again, or twice at
//! once, changes nothing. How far it has come is kept in each shard's own database, and is noted only when what follows from
//! the orders up to there is *stored*: a derived stream that has lost its tail takes nothing with it that nobody makes again.
//!
//! | module | concept |
//! |---|---|
//! | [`stretch`] | what was published and is not known to be stored |

mod stretch;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use forebay_log::Log;
use forebay_model::{Deriver, Facts, Lane, ShardId, ShardMap, ViewId, ViewSet, ViewState};
use forebay_service::BadSetting;
use forebay_shard::job::{Advanced, BackfillProgress};
use forebay_shard::read::stored_order::{OrderReader, StoredOrder};
use forebay_shard::{PoolSettings, ShardPool};
use futures::future::join_all;
use serde::Serialize;
use serde_json::json;

use self::stretch::Stretch;
use crate::audit::recorded;
use crate::control::publish;
use crate::moves::preflight::nothing_moves;
use crate::settings::stored_map;
use crate::system::System;

const APPLICATION_NAME: &str = "forebay-backfill";

/// Orders of a page. Each has at most 256 KiB and some white space.
const PAGE_ORDERS: i64 = 500;
/// Pages that are published before it is waited until they are stored.
const PAGES: usize = 20;

/// What is filled in.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Lanes that follow from stored orders: index, views or both.
    pub lanes: Vec<Lane>,
    /// Begin with the oldest order instead of where an earlier run ended.
    pub restart: bool,
}

/// What was filled in.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Shards that were read to their end.
    pub filled: Vec<Filled>,
    /// A sentence about each of the others. Running it again goes on from there.
    pub failed: Vec<String>,
}

/// What was filled in on one shard.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Filled {
    /// Which.
    pub shard: ShardId,
    /// Orders that were read.
    pub orders: u64,
    /// Facts that were logged.
    pub facts: u64,
}

/// Fills in what is asked for, on all shards at once, with the views that are in force.
///
/// # Errors
/// When the log cannot be reached, or has no map.
pub async fn run(system: &System, settings: &Settings) -> Result<Report> {
    let lanes: Vec<&str> = settings.lanes.iter().map(|lane| lane.as_str()).collect();
    let asked = json!({"lanes": lanes, "restart": settings.restart});
    let done = |report: &Report| json!(report);
    recorded(system, None, ("index backfill", asked), done, fill(system, settings)).await
}

async fn fill(system: &System, settings: &Settings) -> Result<Report> {
    let log = system.connect_log().await?;
    let map = stored_map(&log).await?;
    nothing_moves(&map).map_err(BadSetting::new)?;
    let views = map.settings().views.in_force().clone();
    let plan = Plan { lanes: settings.lanes.clone(), deriver: Deriver::new(views, map), of: None };
    plan.run(system, &log, settings.restart).await
}

/// Fills in what a view that is building lacks.
pub(crate) async fn fill_view(system: &System, log: &Log, map: &Arc<ShardMap>, view: ViewId) -> Result<Report> {
    let only = map.settings().views.get(view).map(|entry| entry.view.clone());
    let views = ViewSet::try_from(Vec::from_iter(only))?;
    let plan = Plan { lanes: vec![Lane::Views], deriver: Deriver::new(views, Arc::clone(map)), of: Some(view) };
    plan.run(system, log, false).await
}

/// Forgets how far a view was filled in on a shard.
pub(crate) async fn forget_view(pool: &ShardPool, view: ViewId) -> Result<()> {
    let job = job_name(&[Lane::Views], [view]);
    Ok(BackfillProgress::forget(&mut *pool.acquire().await?, &job).await?)
}

/// The name of what is filled in: with other views it is another job.
fn job_name(lanes: &[Lane], views: impl IntoIterator<Item = ViewId>) -> String {
    let lanes: Vec<&str> = lanes.iter().map(|lane| lane.as_str()).collect();
    let ids: Vec<String> = views.into_iter().map(|id| id.to_string()).collect();
    format!("{}:{}", lanes.join(","), ids.join(","))
}

/// What is filled in, and how.
#[derive(Clone, Debug)]
struct Plan {
    lanes: Vec<Lane>,
    deriver: Deriver,
    /// The one view that it is for: once that is not building any more, there is no use in going on.
    of: Option<ViewId>,
}

impl Plan {
    async fn run(&self, system: &System, log: &Log, restart: bool) -> Result<Report> {
        let pools = system.pools(None, &pool_settings())?;
        let jobs = system.shards.iter().zip(&pools).map(|((shard, addresses), pool)| {
            let orders = OrderReader::new(shard, addresses, APPLICATION_NAME.to_owned());
            let job = Job { pool, pools: &pools, orders, log, plan: self };
            async move { (shard, job.run(restart).await) }
        });
        let mut report = Report::default();
        for (shard, outcome) in join_all(jobs).await {
            match outcome {
                Ok(filled) => report.filled.push(filled),
                Err(error) => report.failed.push(format!("shard {shard}: {error:#}")),
            }
        }
        Ok(report)
    }
}

/// The filling in of one shard's orders.
struct Job<'a> {
    /// The shard, for its progress.
    pool: &'a ShardPool,
    pools: &'a [ShardPool],
    orders: OrderReader,
    log: &'a Log,
    plan: &'a Plan,
}

impl Job<'_> {
    async fn run(&self, restart: bool) -> Result<Filled> {
        let name = job_name(&self.plan.lanes, self.plan.deriver.views().iter().map(|view| view.id));
        if restart {
            BackfillProgress::forget(&mut *self.pool.acquire().await?, &name).await?;
        }
        let mut progress = BackfillProgress::load(&mut *self.pool.acquire().await?, &name).await?;
        let mut filled = Filled { shard: self.pool.shard(), orders: 0, facts: 0 };
        loop {
            let mut stretch = Stretch::begin(self.log);
            self.publish(&progress, &mut stretch).await?;
            if !stretch.is_stored(self.log, self.pools).await? {
                continue;
            }
            let Some(end) = stretch.end.clone() else { return Ok(filled) };
            let mut connection = self.pool.acquire().await?;
            progress = match progress.advance(&mut connection, end, stretch.orders).await? {
                Advanced::To(progress) => progress,
                // Somebody else does the same, or the shard was set back: go on from where it is.
                Advanced::Elsewhere => BackfillProgress::load(&mut connection, &name).await?,
            };
            drop(connection);
            filled.orders += stretch.orders;
            filled.facts += stretch.facts;
        }
    }

    /// Publishes what follows from the next orders.
    async fn publish(&self, progress: &BackfillProgress, stretch: &mut Stretch) -> Result<()> {
        for _ in 0..PAGES {
            self.check()?;
            let behind = stretch.end.as_ref().unwrap_or(progress.place());
            let page = self.orders.page(behind, PAGE_ORDERS).await?;
            let Some(last) = page.last() else { return Ok(()) };
            let mut facts = Facts::default();
            for order in &page {
                self.add(&mut facts, order);
            }
            let parts = facts.into_parts();
            let rows = parts.iter().map(|part| u64::from(part.rows)).sum();
            let lie = publish::publish_all(self.log, self.plan.deriver.map().epoch(), parts).await?;
            stretch.note(last.key.clone(), page.len() as u64, rows, lie);
        }
        Ok(())
    }

    /// Whether there is still use in it.
    fn check(&self) -> Result<()> {
        let Some(view) = self.plan.of else { return Ok(()) };
        let map = self.log.map().borrow().clone();
        let is_building = map
            .is_none_or(|map| map.settings().views.get(view).is_some_and(|entry| entry.state != ViewState::Dropping));
        ensure!(is_building, "the view was dropped meanwhile");
        Ok(())
    }

    /// Adds what follows from an order.
    fn add(&self, facts: &mut Facts, stored: &StoredOrder) {
        let order = stored.as_stored();
        if self.plan.lanes.contains(&Lane::Index) {
            self.plan.deriver.derive_index(&order, facts);
        }
        if self.plan.lanes.contains(&Lane::Views) {
            self.plan.deriver.derive_views(&order, facts);
        }
    }
}

/// For progress and positions.
fn pool_settings() -> PoolSettings {
    PoolSettings {
        application_name: APPLICATION_NAME.to_owned(),
        connections_max: 2,
        acquire_timeout: Duration::from_secs(10),
        ..PoolSettings::default()
    }
}
