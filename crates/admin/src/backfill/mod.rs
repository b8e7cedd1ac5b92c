//! Index entries and view facts for orders that are already stored, for example after a new
//! view was configured. Orders may flow meanwhile.
//!
//! Every shard's orders are read in the order of their time, and the facts are put into the log as ingest would have put
//! them. Facts that are there already are duplicates, so running it again, or going on a little before the place where
//! an earlier run ended, changes nothing. How far it has come is kept in each shard's own database.
//!
//! | module | concept |
//! |---|---|
//! | [`stored`] | pages of stored orders |
//! | [`progress`] | how far a shard has come |

mod progress;
mod stored;

use std::sync::Arc;

use anyhow::Result;
use forebay_log::Log;
use forebay_model::{Facts, Lane, OrderParser, ShardId, ShardMap, Timestamp, ViewSet};
use forebay_shard::ShardPool;
use futures::future::join_all;
use serde::Serialize;

use self::progress::Progress;
use crate::stored_order::StoredOrder;
use crate::system::System;
use crate::{Tell, publish};

/// Orders of a page. Each has at most 256 KiB and some white space.
const PAGE_ORDERS: i64 = 500;

/// How many orders of a shard that cannot be filled in are named.
const NAMED_MAX: u64 = 10;

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

/// An order that makes no facts by the rules of now. The first of each shard are told.
#[derive(Debug)]
pub struct Skipped {
    /// Its id.
    pub order_id: String,
    /// Its customer.
    pub customer_id: String,
    /// Why.
    pub reason: String,
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
    /// Orders that make no facts by the rules of now.
    pub skipped: u64,
}

/// Fills in what is asked for, on all shards at once.
///
/// # Errors
/// When the log cannot be reached, or has no map.
pub async fn run(system: &System, settings: &Settings, tell: Tell<'_, Skipped>) -> Result<Report> {
    let log = system.connect_log().await?;
    let map = system.map(&log).await?;
    let shards = system.shards.iter().map(|(shard, addresses)| {
        let pool = ShardPool::new(shard, addresses, &stored::pool_settings());
        let job = Job { pool, log: log.clone(), map: Arc::clone(&map), settings, tell };
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
    pool: ShardPool,
    log: Log,
    map: Arc<ShardMap>,
    settings: &'a Settings,
    tell: Tell<'a, Skipped>,
}

impl Job<'_> {
    /// The name of what is filled in: another set of views is another job.
    fn name(&self) -> String {
        let lanes: Vec<String> = self.settings.lanes.iter().map(ToString::to_string).collect();
        format!("{}:{}", lanes.join(","), self.settings.views)
    }

    async fn run(&self) -> Result<Filled> {
        let parser = OrderParser::of_stored(self.settings.views.clone());
        let mut progress = Progress::load(&self.pool, &self.name(), self.settings.restart).await?;
        let mut filled = Filled { shard: self.pool.shard(), orders: 0, facts: 0, skipped: 0 };
        loop {
            let page = stored::page(&self.pool, &progress.place, PAGE_ORDERS).await?;
            let Some(last) = page.last().map(StoredOrder::key) else { return Ok(filled) };
            let mut facts = Facts::default();
            for order in &page {
                if let Err(reason) = self.add(&mut facts, &parser, order) {
                    filled.skipped += 1;
                    if filled.skipped <= NAMED_MAX {
                        let StoredOrder { order_id, customer_id, .. } = order.clone();
                        (self.tell)(Skipped { order_id, customer_id, reason });
                    }
                }
            }
            filled.facts += publish::publish_all(&self.log, self.map.epoch(), facts.into_parts()).await?;
            filled.orders += page.len() as u64;
            progress.advance(&self.pool, last, page.len() as u64).await?;
        }
    }

    /// Adds an order's facts. An order may have been accepted before a field of it made a view; what cannot be a key is
    /// told and has no view.
    fn add(&self, facts: &mut Facts, parser: &OrderParser, stored: &StoredOrder) -> Result<(), String> {
        let json = stored.json();
        // The time is the order's own, so that nothing is bounded by now.
        let draft = parser.parse(json.as_bytes(), Timestamp::now()).map_err(|rejection| rejection.to_string())?;
        let order = draft.settle(&self.map, stored.ordered_at, 0);
        if self.settings.lanes.contains(&Lane::Index) {
            facts.add_index(&order, &self.map);
        }
        if self.settings.lanes.contains(&Lane::Views) {
            facts.add_views(&order, &self.map);
        }
        Ok(())
    }
}
