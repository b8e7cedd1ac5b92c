//! The ledger against the shards: nothing lost, nothing doubled, nothing changed, nothing from nowhere. Index and views are compared with the
//! orders that are stored, and with nothing else.

mod duplicates;
mod follows;
pub mod known;
pub mod same;
mod sent;
pub mod stored;

use std::collections::HashMap;

use anyhow::Result;
use forebay_model::Lane;

use crate::load::ledger::{Entry, Ledger, Outcome};
use crate::system::System;
use known::Known;
use stored::Stored;

/// Of each kind of fault this many are told; the rest are counted.
const TOLD_MAX: usize = 5;

/// What the comparison found. All is well where every list is empty.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// Orders that the shards hold.
    pub stored: usize,
    /// Dead letters of every lane.
    pub dead: usize,
    /// Marks of orders that were accepted, and are neither stored nor dead.
    pub lost: Vec<String>,
    /// Marks of such orders that a fault is known to have taken away.
    pub gone: Vec<String>,
    /// Marks or identities that are stored more than once.
    pub doubled: Vec<String>,
    /// Everything else that is wrong, as sentences.
    pub faults: Vec<String>,
}

impl Audit {
    /// Reads every shard and compares.
    ///
    /// # Errors
    /// Where a shard cannot be read.
    pub async fn of(ledger: &Ledger, system: &System, known: &Known) -> Result<Self> {
        let mut shards = Vec::new();
        for shard in 0..system.stack.postgres_count() {
            shards.push(Stored::read(system, shard).await?);
        }
        let mut audit = Self::default();
        let entries = ledger.entries();
        audit.compare_orders(&entries, &shards, known);
        audit.compare_tallies(&shards);
        audit.faults.extend(known.compare_dead_letters(&shards));
        audit.faults.extend(follows::compare(&shards, &system.stored_map().await?));
        audit.faults.extend(duplicates::compare(&entries, &shards, known));
        Ok(audit)
    }

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty() && self.faults.is_empty()
    }

    /// What is wrong, as sentences.
    pub fn findings(&self) -> Vec<String> {
        let mut all = Vec::new();
        for (what, marks) in [("lost", &self.lost), ("doubled", &self.doubled)] {
            if !marks.is_empty() {
                all.push(format!("{what} {}: {}", marks.len(), marks[..marks.len().min(TOLD_MAX)].join(" ")));
            }
        }
        all.extend(self.faults.iter().take(TOLD_MAX).cloned());
        if self.faults.len() > TOLD_MAX {
            all.push(format!("and {} more", self.faults.len() - TOLD_MAX));
        }
        all
    }

    fn compare_orders(&mut self, entries: &HashMap<String, Entry>, shards: &[Stored], known: &Known) {
        let mut times_by_mark: HashMap<&str, usize> = HashMap::new();
        let mut times_by_identity: HashMap<(&str, &str), usize> = HashMap::new();
        for order in shards.iter().flat_map(|shard| &shard.orders) {
            self.stored += 1;
            *times_by_identity.entry((&order.customer_id, &order.order_id)).or_default() += 1;
            let Some(entry) = order.mark().and_then(|mark| entries.get(mark)) else {
                self.faults.push(format!("{} of {} is stored and was never sent", order.order_id, order.customer_id));
                continue;
            };
            *times_by_mark.entry(&entry.made.mark).or_default() += 1;
            if let Err(what) = order.is_as_sent(&entry.made) {
                self.faults.push(format!("{} is stored with another {what} than it was sent with", entry.made.mark));
            }
        }
        let dead: Vec<_> = shards.iter().flat_map(|shard| &shard.dead).collect();
        self.dead = dead.len();
        let is_dead = |mark: &str| dead.iter().any(|letter| letter.mark.as_deref() == Some(mark));
        for (mark, entry) in entries {
            let is_stored = times_by_mark.contains_key(mark.as_str());
            if entry.outcome == Some(Outcome::Accepted) && !is_stored && !is_dead(mark) {
                let list = if known.may_be_lost.contains(mark) { &mut self.gone } else { &mut self.lost };
                list.push(mark.clone());
            }
        }
        let twice = times_by_mark.iter().filter(|(_, times)| **times > 1).map(|(mark, _)| (*mark).to_owned());
        self.doubled.extend(twice);
        let twice = times_by_identity.iter().filter(|(_, times)| **times > 1);
        self.doubled.extend(twice.map(|((customer, order), _)| format!("{customer}/{order}")));
    }

    /// What was counted is what the tables hold.
    fn compare_tallies(&mut self, shards: &[Stored]) {
        for (number, shard) in shards.iter().enumerate() {
            for tally in &shard.tallies {
                let rows = match tally.lane {
                    Lane::Orders => shard.orders.len(),
                    Lane::Index => shard.index.len(),
                    Lane::Views => shard.views.len(),
                    Lane::Events => shard.events.len(),
                    Lane::ViewEvents => shard.view_events.len(),
                };
                let dead = shard.dead.iter().filter(|letter| letter.lane == tally.lane).count();
                if (tally.here(), tally.dead) != (rows as i64, dead as u64) {
                    let lane = tally.lane;
                    self.faults
                        .push(format!("lane {lane} of shard {number} holds {rows} rows and {dead} dead: {tally:?}"));
                }
            }
        }
    }
}
