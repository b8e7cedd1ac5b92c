//! What follows from stored orders: it must be stored as it is.

use std::collections::BTreeMap;

use anyhow::Result;
use bytes::Bytes;
use forebay_model::{Facts, Lane, Position, ShardId, StreamKind, Timestamp};
use forebay_shard::{Difference, Disagreement};

use super::report::DifferenceKind;
use super::settings::Step;
use super::snapshot::Snapshot;
use super::verification::{Verification, key_of, tuples};
use crate::columns::{columns, differing};
use crate::stored_order::{COLUMNS, OrderKey, StoredOrder, json};

/// Orders that are in hand at a time.
const PAGE: u32 = 500;
/// How often it is told how far the orders of a shard have been checked.
const TOLD_EVERY: u64 = 50_000;
/// The most characters that are shown of a value.
const VALUE_MAX: usize = 80;

/// Facts by the lane and the shard that should have them.
type ByPlace = BTreeMap<(Lane, ShardId), Vec<Bytes>>;

/// Where orders were found.
#[derive(Clone, Copy)]
struct Home {
    shard: ShardId,
    /// Up to where the shard's logged stream was committed then.
    at: Option<Position>,
}

impl Verification<'_> {
    /// Checks the orders of a shard, of which there are `rows`.
    pub(super) async fn facts_of_orders(&mut self, snapshot: &mut Snapshot, rows: u64) -> Result<()> {
        let cursor = snapshot.cursor(Lane::Orders.table(), COLUMNS, self.depth, rows).await?;
        let at = snapshot.position(StreamKind::Logged).map(|stored| stored.position);
        let home = Home { shard: snapshot.shard, at };
        let mut checked = 0;
        loop {
            let page = snapshot.page(&cursor, PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            self.report.orders_checked += page.len() as u64;
            checked += page.len() as u64;
            if checked.is_multiple_of(TOLD_EVERY) {
                self.tell(snapshot.shard, Step::OrdersChecked { checked, of: rows });
            }
            let orders: Vec<StoredOrder> = page.iter().map(StoredOrder::from_row).collect::<Result<_, _>>()?;
            self.times_of_orders(snapshot, &orders).await?;
            let expected = self.expected(snapshot.shard, &orders);
            let mut missed = ByPlace::new();
            for ((lane, shard), facts) in expected {
                self.report.facts_checked += facts.len() as u64;
                for difference in self.differences(shard, lane, &facts).await? {
                    missed.entry((lane, shard)).or_default().push(facts[difference.fact].clone());
                }
            }
            for ((lane, shard), facts) in missed {
                self.look_again(home, shard, lane, &facts).await?;
            }
        }
    }

    /// What follows from orders of a shard. The order itself is checked, too: its columns must be those of its own items.
    fn expected(&mut self, shard: ShardId, orders: &[StoredOrder]) -> ByPlace {
        let mut facts = Facts::default();
        for stored in orders {
            self.deriver.derive(&stored.as_stored(), &mut facts);
            match self.parser.parse(json(stored).as_bytes(), Timestamp::now()) {
                Ok(draft) => {
                    let order = draft.settle(&stored.key.tenant, &self.map, stored.key.ordered_at, 0);
                    facts.add(&order, &self.map);
                }
                Err(rejection) => {
                    let detail = format!("{} is stored, and is no valid order: {rejection}", stored.key);
                    self.report.differs(shard, Lane::Orders, DifferenceKind::Order, detail);
                }
            }
        }
        let mut expected = ByPlace::new();
        for part in facts.into_parts() {
            // An order is compared where it was found: while a bucket moves, that may be another shard than it is written to.
            let place = if part.lane == Lane::Orders { shard } else { part.shard };
            expected.entry((part.lane, place)).or_default().extend(tuples(part.lane, &part.tuples.into()));
        }
        expected
    }

    /// Looks once more for what follows from orders, when everything that follows from what was committed with them is stored.
    async fn look_again(&mut self, home: Home, shard: ShardId, lane: Lane, facts: &[Bytes]) -> Result<()> {
        if let (StreamKind::Derived, Some(at)) = (lane.kind(), home.at)
            && !self.derived(home.shard, at, shard).await?
        {
            self.report.pending += facts.len() as u64;
            return Ok(());
        }
        for Difference { fact, disagreement } in self.differences(shard, lane, facts).await? {
            let Some(key) = key_of(lane, &facts[fact]) else { continue };
            let of = (lane, &key, &facts[fact]);
            if lane != Lane::Orders && self.is_accounted_for(home.shard, shard, of, &disagreement).await? {
                self.report.explained += 1;
                continue;
            }
            let kind = if lane == Lane::Orders { DifferenceKind::Order } else { DifferenceKind::Fact };
            self.report.differs(shard, lane, kind, described(lane, &key, &disagreement));
        }
        Ok(())
    }
}

/// What is wrong with a fact of an order.
fn described(lane: Lane, key: &OrderKey, disagreement: &Disagreement) -> String {
    let what = match lane {
        Lane::Orders => "the order itself",
        Lane::Index => "the index entry",
        Lane::Views => "a view",
    };
    match disagreement {
        Disagreement::Missing { fact } => format!("{what} of {key} is missing: {}", shortened(fact, 3 * VALUE_MAX)),
        Disagreement::Refused { detail } => format!("{what} of {key} cannot be stored: {detail}"),
        Disagreement::Other { fact, stored } => {
            let (fact, stored) = (columns(fact), columns(stored));
            let value = |columns: &crate::columns::Columns, name: &str| {
                columns.get(name).map_or_else(|| "nothing".to_owned(), |value| shortened(value.get(), VALUE_MAX))
            };
            let wrong = differing(&fact, &stored);
            let wrong = wrong
                .iter()
                .map(|name| format!("{name} is {} and should be {}", value(&stored, name), value(&fact, name)));
            format!("{what} of {key} is another: {}", wrong.collect::<Vec<_>>().join("; "))
        }
    }
}

fn shortened(text: &str, characters: usize) -> String {
    let mut shown: String = text.chars().take(characters).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
