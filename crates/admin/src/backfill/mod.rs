//! Index entries and view facts for orders that are already stored, for example after a new
//! view was configured. Orders may flow meanwhile.
//!
//! Every shard's orders are read in the order of their time, and what follows from them is put into the derived streams, as
//! the writers put it there behind their commits. Facts that are there already are duplicates, so running it again, or going on
//! a little before the place where an earlier run ended, changes nothing. How far it has come is kept in each shard's own
//! database.
//!
//! | module | concept |
//! |---|---|
//! | [`progress`] | how far a shard has come |

mod progress;

use std::sync::Arc;

use anyhow::Result;
use forebay_log::Log;
use forebay_model::{Deriver, Epoch, Facts, Lane, ShardId, ViewSet};
use forebay_shard::read::orders::{OrderReader, StoredOrder};
use forebay_shard::{PoolSettings, ShardPool};
use futures::future::join_all;
use serde::Serialize;

use self::progress::Progress;
use crate::publish;
use crate::system::System;

const APPLICATION_NAME: &str = "forebay-backfill";

/// Orders of a page. Each has at most 256 KiB and some white space.
const PAGE_ORDERS: i64 = 500;

/// What is filled in.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Lanes that follow from stored orders: index, views or both.
    pub lanes: Vec<Lane>,
    /// Fields that make views.
    pub views: ViewSet,
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

/// Fills in what is asked for, on all shards at once.
///
/// # Errors
/// When the log cannot be reached, or has no map.
pub async fn run(system: &System, settings: &Settings) -> Result<Report> {
    let log = system.connect_log().await?;
    let map = system.map(&log).await?;
    let deriver = Deriver::new(settings.views.clone(), Arc::clone(&map));
    let shards = system.shards.iter().map(|(shard, addresses)| {
        let pool = ShardPool::new(shard, addresses, &pool_settings());
        let orders = OrderReader::new(shard, addresses, APPLICATION_NAME.to_owned());
        let job = Job { pool, orders, log: log.clone(), epoch: map.epoch(), deriver: deriver.clone(), settings };
        async move { (shard, job.run().await) }
    });
    let mut report = Report::default();
    for (shard, outcome) in join_all(shards).await {
        match outcome {
            Ok(filled) => report.filled.push(filled),
            Err(error) => report.failed.push(format!("shard {shard}: {error:#}")),
        }
    }
    Ok(report)
}

/// The filling in of one shard's orders.
struct Job<'a> {
    /// For its progress.
    pool: ShardPool,
    orders: OrderReader,
    log: Log,
    epoch: Epoch,
    deriver: Deriver,
    settings: &'a Settings,
}

impl Job<'_> {
    /// The name of what is filled in: another set of views is another job.
    fn name(&self) -> String {
        let lanes: Vec<String> = self.settings.lanes.iter().map(ToString::to_string).collect();
        format!("{}:{}", lanes.join(","), self.settings.views)
    }

    async fn run(&self) -> Result<Filled> {
        let mut progress = Progress::load(&self.pool, &self.name(), self.settings.restart).await?;
        let mut filled = Filled { shard: self.pool.shard(), orders: 0, facts: 0 };
        loop {
            let page = self.orders.page(&progress.place, PAGE_ORDERS).await?;
            let Some(last) = page.last() else { return Ok(filled) };
            let mut facts = Facts::default();
            for order in &page {
                self.add(&mut facts, order);
            }
            filled.facts += publish::publish_all(&self.log, self.epoch, facts.into_parts()).await?;
            filled.orders += page.len() as u64;
            progress.advance(&self.pool, last.key.clone(), page.len() as u64).await?;
        }
    }

    /// Adds what follows from an order.
    fn add(&self, facts: &mut Facts, stored: &StoredOrder) {
        let order = stored.as_stored();
        if self.settings.lanes.contains(&Lane::Index) {
            self.deriver.derive_index(&order, facts);
        }
        if self.settings.lanes.contains(&Lane::Views) {
            self.deriver.derive_views(&order, facts);
        }
    }
}

fn pool_settings() -> PoolSettings {
    PoolSettings { application_name: APPLICATION_NAME.to_owned(), connections_max: 1, ..PoolSettings::default() }
}
