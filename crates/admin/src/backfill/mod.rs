//! `forebay index backfill`: index entries and view facts for orders that are already stored, for example after a new
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

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use forebay_log::Log;
use forebay_model::{Facts, Lane, OrderParser, ShardMap, Timestamp, ViewSet};
use forebay_shard::ShardPool;
use futures::future::join_all;

use self::progress::Progress;
use crate::grouped::grouped;
use crate::publish;
use crate::stored_order::StoredOrder;
use crate::system::SystemSettings;

/// Orders of a page. Each has at most 256 KiB and some white space.
const PAGE_ORDERS: i64 = 500;

/// How many orders that cannot be filled in are named.
const NAMED_MAX: u64 = 10;

/// Fill in index entries and views for orders that are already stored
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemSettings,

    /// The lanes to fill in, separated by commas
    #[arg(long, value_name = "LANES", default_value = "index,views", value_delimiter = ',', value_parser = lane)]
    pub lanes: Vec<Lane>,

    /// Fields that make views; configure ingest with the same first
    #[arg(long, env = "FOREBAY_VIEWS", value_name = "VIEWS", default_value = "seller=items[].seller_id")]
    pub views: ViewSet,

    /// Begin with the oldest order instead of where an earlier run ended
    #[arg(long)]
    pub restart: bool,
}

fn lane(text: &str) -> Result<Lane, String> {
    match text.parse() {
        Ok(Lane::Orders) => Err(String::from("the lane orders is what is read; fill in index, views or both")),
        Ok(lane) => Ok(lane),
        Err(error) => Err(format!("{error}")),
    }
}

/// What was filled in on one shard.
#[derive(Clone, Copy, Debug, Default)]
struct Filled {
    orders: u64,
    facts: u64,
    skipped: u64,
}

/// Fills in what is asked for, on all shards at once.
///
/// # Errors
/// One sentence about every shard that could not be read to its end.
pub async fn run(settings: &Settings) -> Result<ExitCode> {
    let log = settings.system.connect_log().await?;
    let map = settings.system.map(&log).await?;
    let shards = settings.system.shards.iter().map(|(shard, addresses)| {
        let pool = ShardPool::new(shard, addresses, &stored::pool_settings());
        let job = Job { pool, log: log.clone(), map: Arc::clone(&map), settings };
        async move { (shard, job.run().await) }
    });
    let mut failed = Vec::new();
    let mut skipped = 0;
    for (shard, outcome) in join_all(shards).await {
        match outcome {
            Ok(filled) => {
                skipped += filled.skipped;
                eprintln!(
                    "shard {shard}: {} orders read, {} facts logged, {} orders skipped",
                    grouped(filled.orders),
                    grouped(filled.facts),
                    grouped(filled.skipped)
                );
            }
            Err(error) => failed.push(format!("shard {shard}: {error:#}")),
        }
    }
    if !failed.is_empty() {
        bail!("{}; run it again to go on from there", failed.join("; "));
    }
    Ok(if skipped == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The filling in of one shard's orders.
struct Job<'a> {
    pool: ShardPool,
    log: Log,
    map: Arc<ShardMap>,
    settings: &'a Settings,
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
        let mut filled = Filled::default();
        loop {
            let page = stored::page(&self.pool, &progress.place, PAGE_ORDERS).await?;
            let Some(last) = page.last().map(StoredOrder::key) else { return Ok(filled) };
            let mut facts = Facts::default();
            for order in &page {
                if let Err(reason) = self.add(&mut facts, &parser, order) {
                    filled.skipped += 1;
                    if filled.skipped <= NAMED_MAX {
                        eprintln!("order {} of customer {}: {reason}", order.order_id, order.customer_id);
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
