//! Orders of dead letters, through validation and into the log again.
//!
//! A letter's order goes the way of a new one: checked by the rules of now, routed by the map of now, index and views logged
//! before the order itself. What is stored already is a duplicate, so requeueing a letter twice stores nothing twice.

use std::sync::Arc;

use anyhow::{Context, Result};
use forebay_log::Log;
use forebay_model::{CustomerId, Draft, Facts, Lane, OrderParser, ShardMap, Timestamp, ViewSet};
use forebay_shard::{DeadLetter, LetterFilter, ShardPool};
use serde::Serialize;

use super::address::LetterAddress;
use super::pool::pool_settings;
use super::rebuild::{Origin, origins};
use super::selection::Selection;
use crate::publish;
use crate::stored_order::{self, OrderKey};
use crate::system::System;

/// Letters that are in hand at a time. Each has at most some 256 KiB.
const PAGE: i64 = 100;
/// How far ahead of now an order's time may be, as ingest has it.
const AHEAD_MAX_US: i64 = 86_400_000_000;

/// What has been done.
#[derive(Debug, Default, Serialize)]
pub struct Requeued {
    /// Letters whose orders are in the log again.
    pub requeued: Vec<LetterAddress>,
    /// Letters that stay as they are.
    pub stay: Vec<Stays>,
    /// Letters that were named and are not there.
    pub missing: Vec<LetterAddress>,
}

/// A letter that stays as it is.
#[derive(Debug, Serialize)]
pub struct Stays {
    /// Which.
    pub address: LetterAddress,
    /// Why.
    pub reason: String,
}

/// What requeueing needs.
struct Requeuer {
    log: Log,
    map: Arc<ShardMap>,
    shards: Vec<ShardPool>,
    parser: OrderParser,
    parser_of_stored: OrderParser,
}

/// Requeues letters; those that were requeued before only where they are named by address. `views` are the fields that make
/// views, as ingest has them.
///
/// # Errors
/// Where it is not clear which letters are meant, or what cannot be reached.
pub async fn requeue(system: &System, selection: &Selection, views: &ViewSet) -> Result<Requeued> {
    selection.check(system)?;
    let meant = system.pools(selection.filters.shard, &pool_settings())?;
    let log = system.connect_log().await?;
    let map = system.map(&log).await?;
    let requeuer = Requeuer {
        log,
        map,
        shards: system.pools(None, &pool_settings())?,
        parser: OrderParser::new(views.clone(), AHEAD_MAX_US),
        parser_of_stored: OrderParser::of_stored(views.clone()),
    };
    let mut outcome = Requeued { missing: selection.missing(system).await?, ..Requeued::default() };
    for pool in &meant {
        if let Some(filter) = selection.filter(pool.shard()) {
            // By address a letter is requeued again, for instance after the log has lost what it was requeued to.
            let is_requeued = filter.ids.is_none().then_some(false);
            requeuer.requeue(pool, &LetterFilter { is_requeued, ..filter }, &mut outcome).await?;
        }
    }
    Ok(outcome)
}

impl Requeuer {
    /// Requeues the letters of a shard, page by page. A letter is marked only when all of its facts are in the log.
    async fn requeue(&self, pool: &ShardPool, filter: &LetterFilter, outcome: &mut Requeued) -> Result<()> {
        let mut behind = 0;
        loop {
            let mut connection = pool.acquire().await?;
            let letters = DeadLetter::page(&mut connection, filter, behind, PAGE).await;
            let letters = letters.with_context(|| format!("the dead letters of shard {}", pool.shard()))?;
            let Some(last) = letters.last() else { return Ok(()) };
            behind = last.id;
            let mut facts = Facts::default();
            let mut requeued = Vec::new();
            for letter in &letters {
                let address = LetterAddress { shard: pool.shard(), id: letter.id };
                match self.add(letter, &mut facts).await? {
                    Ok(()) => requeued.push(address),
                    Err(reason) => outcome.stay.push(Stays { address, reason }),
                }
            }
            self.publish(facts).await?;
            let ids: Vec<i64> = requeued.iter().map(|address| address.id).collect();
            DeadLetter::mark_requeued(&mut connection, &ids).await?;
            outcome.requeued.append(&mut requeued);
        }
    }

    /// Adds the facts of a letter; where it has to stay, says why.
    async fn add(&self, letter: &DeadLetter, facts: &mut Facts) -> Result<Result<(), String>> {
        let origins = match origins(letter) {
            Ok(origins) => origins,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut orders = Vec::new();
        for origin in origins {
            let found = match origin {
                Origin::Order(order) => Some(order.json()),
                Origin::FactOf(key) => self.stored(&key).await?,
            };
            let Some(json) = found else {
                return Ok(Err(String::from("its order is not stored; requeue the order or send it again")));
            };
            orders.push(json);
        }
        // All of them are checked before any is added: a letter is requeued as a whole.
        let parser = if letter.lane == Lane::Orders { &self.parser } else { &self.parser_of_stored };
        let drafts: Result<Vec<Draft<'_>>, _> =
            orders.iter().map(|json| parser.parse(json.as_bytes(), Timestamp::now())).collect();
        let drafts = match drafts {
            Ok(drafts) => drafts,
            Err(rejection) => return Ok(Err(format!("validation refuses it: {rejection}"))),
        };
        for draft in drafts {
            let order = draft.settle(&self.map, Timestamp::now(), 0);
            match letter.lane {
                Lane::Orders => drop(facts.add(&order, &self.map)),
                Lane::Index => facts.add_index(&order, &self.map),
                Lane::Views => facts.add_views(&order, &self.map),
            }
        }
        Ok(Ok(()))
    }

    /// The order that an index entry or a view is of, as a client could have sent it.
    async fn stored(&self, key: &OrderKey) -> Result<Option<String>> {
        let Ok(customer) = CustomerId::new(key.customer_id.clone()) else { return Ok(None) };
        let bucket = self.map.bucket_of(&customer);
        for &shard in self.map.read_shards(bucket) {
            let pool = self.shards.iter().find(|pool| pool.shard() == shard);
            let pool = pool.with_context(|| format!("shard {shard} is in the map, and not among --shards"))?;
            let mut connection = pool.acquire().await?;
            let found = stored_order::find(&mut connection, &[(bucket, key.clone())]).await?;
            if let Some(order) = found.first() {
                return Ok(Some(order.json()));
            }
        }
        Ok(None)
    }

    /// Lane by lane, so that an order is logged after its index entry and its views.
    async fn publish(&self, facts: Facts) -> Result<()> {
        let parts = facts.into_parts();
        for lane in Lane::ALL {
            let of_lane = parts.iter().filter(|part| part.stream.lane == lane).cloned().collect();
            publish::publish_all(&self.log, self.map.epoch(), of_lane).await?;
        }
        Ok(())
    }
}
