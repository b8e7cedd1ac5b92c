//! What follows from stored orders: it must be stored as it is.

use std::collections::BTreeMap;

use anyhow::Result;
use bytes::Bytes;
use forebay_model::tuple::push_order;
use forebay_model::{Facts, Lane, Position, ShardId, StreamKind, Timestamp};
use forebay_shard::check::{Snapshot, WholeOrder};
use forebay_shard::{Difference, Disagreement};
use futures::future::try_join_all;

use crate::facts::columns::{columns, differing};
use crate::facts::order::{OrderKey, json};
use crate::verify::report::DifferenceKind;
use crate::verify::settings::CheckStage;
use crate::verify::verification::{Verification, key_of, tuples};

/// Orders that are in hand at a time: as many as these bytes hold, within these numbers. It begins with the least.
const PAGE_BYTES: usize = 4 << 20;
const PAGE_MIN: usize = 500;
const PAGE_MAX: usize = 4096;
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
    pub(crate) async fn facts_of_orders(&mut self, snapshot: &mut Snapshot, rows: u64) -> Result<()> {
        let cursor = snapshot.orders(self.scope.depth.portion(rows)).await?;
        let at = snapshot.position(StreamKind::Logged).map(|stored| stored.position);
        let home = Home { shard: snapshot.shard(), at };
        let (mut checked, mut page_rows) = (0, PAGE_MIN);
        loop {
            let orders = snapshot.page(&cursor, page_rows as u32).await?;
            if orders.is_empty() {
                return Ok(());
            }
            self.report.orders_checked += orders.len() as u64;
            let before = checked;
            checked += orders.len() as u64;
            if checked / TOLD_EVERY > before / TOLD_EVERY {
                self.scope.tell(snapshot.shard(), CheckStage::OrdersChecked { checked, of: rows });
            }
            page_rows = rows_of_page(&orders);
            self.times_of_orders(snapshot, &orders).await?;
            let expected = self.expected(snapshot.shard(), &orders);
            for ((lane, shard), facts) in self.missed(expected).await? {
                self.look_again(home, shard, lane, &facts).await?;
            }
        }
    }

    /// Those of these facts that are not stored as they are. Streams are asked side by side.
    async fn missed(&self, expected: ByPlace) -> Result<ByPlace> {
        let asked = expected.into_iter().map(|((lane, shard), facts)| async move {
            let differences = self.scope.differences(shard, lane, &facts).await?;
            let missed: Vec<Bytes> = differences.iter().map(|difference| facts[difference.fact].clone()).collect();
            Ok::<_, anyhow::Error>(((lane, shard), missed))
        });
        let missed = try_join_all(asked).await?;
        Ok(missed.into_iter().filter(|(_, facts)| !facts.is_empty()).collect())
    }

    /// What follows from orders of a shard; and the orders themselves, where they are not what they would be now: an order's columns
    /// must be those of its own items.
    fn expected(&mut self, shard: ShardId, orders: &[WholeOrder]) -> ByPlace {
        let (mut facts, mut expected) = (Facts::default(), ByPlace::new());
        for whole in orders {
            let stored = &whole.order;
            self.scope.deriver.derive(&stored.as_stored(), &mut facts);
            self.report.facts_checked += 1;
            match self.scope.parser.parse(json(stored).as_bytes(), Timestamp::now()) {
                Ok(draft) => {
                    let order = draft.settle(&stored.key.tenant, &self.scope.map, stored.key.ordered_at, 0);
                    let mut tuple = Vec::new();
                    push_order(&mut tuple, &order);
                    // It is compared where it was found: while a bucket moves, that may be another shard than it is written to.
                    if !whole.is(&tuple) {
                        expected.entry((Lane::Orders, shard)).or_default().push(tuple.into());
                    }
                }
                Err(rejection) => {
                    let detail = format!("{} is stored, and is no valid order: {rejection}", stored.key);
                    self.report.differs(shard, Lane::Orders, DifferenceKind::Order, detail);
                }
            }
        }
        for part in facts.into_parts() {
            self.report.facts_checked += u64::from(part.rows);
            expected
                .entry((part.lane, part.shard))
                .or_default()
                .extend(tuples(part.lane, &part.tuples.into()).into_iter().flatten());
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
        for Difference { fact, disagreement } in self.scope.differences(shard, lane, facts).await? {
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

/// How many orders the next page may have, if they are as large as those of this one.
fn rows_of_page(orders: &[WholeOrder]) -> usize {
    let bytes: usize = orders.iter().map(WholeOrder::bytes).sum();
    let mean = (bytes / orders.len().max(1)).max(1);
    (PAGE_BYTES / mean).clamp(PAGE_MIN, PAGE_MAX)
}

/// What is wrong with a fact of an order.
fn described(lane: Lane, key: &OrderKey, disagreement: &Disagreement) -> String {
    let what = match lane {
        Lane::Orders => "the order itself",
        Lane::Index => "the index entry",
        Lane::Views => "a view",
        Lane::Events => "an event",
        Lane::ViewEvents => "what a view sees of an event",
    };
    match disagreement {
        Disagreement::Missing { fact } => format!("{what} of {key} is missing: {}", shortened(fact, 3 * VALUE_MAX)),
        Disagreement::Refused { detail } => format!("{what} of {key} cannot be stored: {detail}"),
        Disagreement::Other { fact, stored } => {
            let (fact, stored) = (columns(fact), columns(stored));
            let value = |columns: &crate::facts::columns::Columns, name: &str| {
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
