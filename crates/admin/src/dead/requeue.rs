//! Orders of dead letters, through validation and into the log again.
//!
//! A letter's order goes the way of a new one: checked by the rules of now, routed by the map of now, and logged; its writer
//! derives index and views once it is stored. A letter of these lanes is derived again from its stored order. What is stored
//! already is a duplicate, so requeueing a letter twice stores nothing twice.

use std::sync::Arc;

use anyhow::{Context, Result};
use forebay_log::Log;
use forebay_model::{
    Claimant, Currency, CustomerId, Deriver, Draft, Event, EventParser, Facts, Lane, OrderParser, StreamKind, Tenant,
    Timestamp,
};
use forebay_shard::{DeadLetter, LetterFilter, ShardPool};
use serde::Serialize;
use serde_json::json;

use super::address::LetterAddress;
use super::pool::pool_settings;
use super::rebuild::{Origin, origins};
use super::selection::Selection;
use crate::audit::recorded;
use crate::control::publish;
use crate::facts::order::{OrderKey, StoredOrder, find, json};
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
    shards: Vec<ShardPool>,
    parser: OrderParser,
    events: EventParser,
    deriver: Deriver,
}

/// Requeues letters; those that were requeued before only where they are named by address.
///
/// # Errors
/// Where it is not clear which letters are meant, or what cannot be reached.
pub async fn requeue(system: &System, selection: &Selection) -> Result<Requeued> {
    selection.check(system)?;
    let asked = json!({"letters": selection.to_string()});
    let done = |requeued: &Requeued| json!({"requeued": requeued.requeued.len(), "stay": requeued.stay.len()});
    recorded(system, selection.filters.shard, ("dead requeue", asked), done, requeue_them(system, selection)).await
}

async fn requeue_them(system: &System, selection: &Selection) -> Result<Requeued> {
    let meant = system.pools(selection.filters.shard, &pool_settings())?;
    let log = system.connect_log().await?;
    let map = system.map(&log).await?;
    let views = map.settings().views.in_force();
    let requeuer = Requeuer {
        log,
        shards: system.pools(None, &pool_settings())?,
        // Whatever died has its currency.
        parser: OrderParser::new(views.clone(), Currency::DEFAULT, AHEAD_MAX_US),
        events: EventParser::new(views.clone(), AHEAD_MAX_US),
        deriver: Deriver::new(views.clone(), Arc::clone(&map)),
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
            publish::publish_all(&self.log, self.deriver.map().epoch(), facts.into_parts()).await?;
            let ids: Vec<i64> = requeued.iter().map(|address| address.id).collect();
            DeadLetter::mark_requeued(&mut connection, &ids).await?;
            outcome.requeued.append(&mut requeued);
        }
    }

    /// Adds the facts of a letter; where it has to stay, says why. All of them are made before any is added: a letter is requeued
    /// as a whole.
    async fn add(&self, letter: &DeadLetter, facts: &mut Facts) -> Result<Result<(), String>> {
        let origins = match origins(letter) {
            Ok(origins) => origins,
            Err(reason) => return Ok(Err(reason)),
        };
        let (mut orders, mut events) = (Vec::new(), Vec::new());
        for origin in origins {
            match origin {
                Origin::Order(order) => orders.push(order),
                Origin::Event(tenant, event) => events.push((tenant, event)),
                Origin::FactOf(key) => match self.stored(&key).await? {
                    Some(order) => orders.push(order),
                    None => {
                        let reason = "its order is not stored; requeue the order or send it again";
                        return Ok(Err(reason.to_owned()));
                    }
                },
            }
        }
        // Its new fate is counted in place of the old one.
        let claimant = |request| Some(Claimant { request, letter: Some(u64::try_from(letter.id).ok()?) });
        facts.set_claimant(letter.request.and_then(claimant));
        match letter.lane {
            Lane::Orders => return Ok(self.add_orders(&orders, facts)),
            Lane::Index => {
                for order in &orders {
                    self.deriver.derive_index(&order.as_stored(), facts);
                }
            }
            Lane::Events => return Ok(self.add_events(&events, facts)),
            Lane::Views | Lane::ViewEvents => {
                for order in &orders {
                    self.deriver.derive_views(&order.as_stored(), facts);
                }
            }
        }
        Ok(Ok(()))
    }

    /// Adds orders that the rules of now accept.
    fn add_orders(&self, orders: &[StoredOrder], facts: &mut Facts) -> Result<(), String> {
        let now = Timestamp::now();
        let texts: Vec<String> = orders.iter().map(json).collect();
        let drafts: Result<Vec<Draft<'_>>, _> =
            texts.iter().map(|text| self.parser.parse(text.as_bytes(), now)).collect();
        let (drafts, map) =
            (drafts.map_err(|rejection| format!("validation refuses it: {rejection}"))?, self.deriver.map());
        for (draft, order) in drafts.into_iter().zip(orders) {
            facts.add(&draft.settle(&order.key.tenant, map, now, 0), map);
        }
        Ok(())
    }

    /// Adds events that the rules of now accept.
    fn add_events(&self, events: &[(Tenant, String)], facts: &mut Facts) -> Result<(), String> {
        let (now, map) = (Timestamp::now(), self.deriver.map());
        let event = |(tenant, text): &(Tenant, String)| {
            self.events.parse(text.as_bytes(), None, now).and_then(|draft| draft.settle_as_named(tenant, map))
        };
        let events: Result<Vec<Event>, _> = events.iter().map(event).collect();
        for event in events.map_err(|rejection| format!("validation refuses it: {rejection}"))? {
            facts.add_event(&event, map);
        }
        Ok(())
    }

    /// The order that an index entry or a view is of.
    async fn stored(&self, key: &OrderKey) -> Result<Option<StoredOrder>> {
        let Ok(customer) = CustomerId::new(key.customer_id.clone()) else { return Ok(None) };
        let map = self.deriver.map();
        let bucket = map.bucket_of(&key.tenant, &customer);
        let shard = map.shard(StreamKind::Logged, bucket);
        let pool = self.shards.iter().find(|pool| pool.shard() == shard);
        let pool = pool.with_context(|| format!("the map does not say where shard {shard} is"))?;
        Ok(find(&mut *pool.acquire().await?, &[(bucket, key.clone())]).await?.pop())
    }
}
