//! Finding one order.
//!
//! Three ways lead to it. An assigned order id says itself where its order is: one shard, one partition. Any other id has
//! an index entry, which says the customer and the time. And a customer's history has all of the customer's orders; that
//! is the slowest way, and the last. An index entry alone shows nothing: only the order's own row does.

mod reads;

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_model::touched::{customer_key, hour_of};
use forebay_model::{Bucket, CustomerId, Lane, OrderId, ShardId, ShardMap};
use forebay_shard::read::{FactRow, Span};

use crate::answer::{Fact, push_fact};
use crate::cache::{Entry, Watch, Watched};
use crate::error::ReadError;
use crate::position::patience::Patience;
use crate::position::read_at::ReadAt;
use crate::replica::shards::Shards;

/// How many orders with the same id are looked at, and how many customers are named where an id is ambiguous.
const SAME_ID_MAX: usize = 100;
/// The index is waited for no longer where it is only a short cut.
const SHORT_CUT_MAX: Duration = Duration::from_millis(500);

/// The orders that were found for an id, by customer.
pub(crate) type Found = BTreeMap<String, FactRow>;

/// What was found for an id.
pub(crate) struct WithId {
    pub(crate) found: Found,
    /// Whether there may be more of them than are looked at.
    pub(crate) may_be_more: bool,
}

/// A search for one order.
pub(crate) struct Lookup<'a> {
    shards: &'a Shards,
    map: &'a ShardMap,
    patience: Patience,
    read_at: ReadAt,
    /// Shards that could not be asked.
    missing: Vec<ShardId>,
    /// What would change what was found.
    watched: Vec<Watched>,
    /// Whether that is all that would change it.
    is_whole: bool,
}

impl<'a> Lookup<'a> {
    pub(crate) fn new(shards: &'a Shards, map: &'a ShardMap, patience: Patience) -> Self {
        let (read_at, missing, watched) = (ReadAt::default(), Vec::new(), Vec::new());
        Self { shards, map, patience, read_at, missing, watched, is_whole: true }
    }

    /// The answer for what was found.
    pub(crate) fn into_entry(self, found: Option<&FactRow>) -> Entry {
        let body = found.map(|row| {
            let mut body = Vec::with_capacity(row.bytes() + 256);
            push_fact(&mut body, &Fact::of(row));
            body.into()
        });
        // Before a lane's first commit there is no position to compare with.
        let is_known = self.watched.iter().all(|watched| self.read_at.has(watched.stream));
        Entry {
            epoch: self.map.epoch(),
            is_empty: body.is_none(),
            body,
            read_at: self.read_at,
            watched: self.watched,
            is_whole: self.is_whole && is_known,
        }
    }

    /// A customer's order.
    ///
    /// # Errors
    /// Where it was not found, and a shard that may have it could not be asked.
    pub(crate) async fn of_customer(
        &mut self,
        customer_id: &CustomerId,
        order_id: &OrderId,
    ) -> Result<Option<FactRow>, ReadError> {
        let bucket = self.map.bucket_of(customer_id);
        if let Some(home) = order_id.home().filter(|home| home.bucket == bucket)
            && let Some(found) = self.at(customer_id, order_id, Span::of_home(home)).await?
        {
            return Ok(Some(found));
        }
        // The index is only a short cut here, so it need not have come as far as the receipt, nor answer at all.
        let missing = self.missing.clone();
        let at_once = Patience::none();
        let index = tokio::time::timeout(SHORT_CUT_MAX, self.index(order_id, &at_once));
        let entries = index.await.unwrap_or_else(|_late| Ok(BTreeMap::new()))?;
        self.missing = missing;
        if let Some(&at) = entries.get(customer_id.as_str())
            && let Some(found) = self.at(customer_id, order_id, Span::of_instant(at)).await?
        {
            return Ok(Some(found));
        }
        let found = self.search(customer_id, order_id).await?;
        if found.is_none() {
            self.watch(Lane::Orders, bucket, Watch::Key(customer_key(customer_id.as_str())));
        }
        self.unless_missing(found)
    }

    /// Every order with an id: almost always one.
    ///
    /// # Errors
    /// Where a shard that may have one could not be asked.
    pub(crate) async fn with_id(&mut self, order_id: &OrderId) -> Result<WithId, ReadError> {
        if let Some(home) = order_id.home() {
            let found = self.at_home(order_id, home).await?;
            if !found.is_empty() {
                return Ok(WithId { found, may_be_more: false });
            }
            let hour = hour_of(Span::of_home(home).from);
            self.watch(Lane::Orders, home.bucket, Watch::Hours { first: hour, last: hour });
        }
        // An id that a client chose has a home by chance, and no order is there: it matters where nothing else is found.
        let missing_at_home = std::mem::take(&mut self.missing);
        let mut found = Found::new();
        let entries = self.index(order_id, &self.patience.clone()).await?;
        self.watch(Lane::Index, Bucket::of_key(order_id.as_str()), Watch::Key(customer_key(order_id.as_str())));
        let entries_count = entries.len();
        for (customer, at) in entries {
            let Ok(customer_id) = CustomerId::new(customer.as_str()) else { continue };
            let mut row = self.at(&customer_id, order_id, Span::of_instant(at)).await?;
            if row.is_none() {
                // The entry may be of an order that was not accepted in the end, and was sent again with another time.
                row = self.search(&customer_id, order_id).await?;
            }
            found.extend(row.map(|row| (customer, row)));
            if !self.missing.is_empty() {
                // However much was found, it may not be all.
                break;
            }
        }
        if found.is_empty() {
            self.missing.extend(missing_at_home);
        }
        // An entry without an order announces one that may come at any time.
        self.is_whole &= found.len() == entries_count;
        self.unless_missing(None::<()>)?;
        Ok(WithId { found, may_be_more: entries_count >= SAME_ID_MAX })
    }

    /// Notes what would change the answer.
    fn watch(&mut self, lane: Lane, bucket: Bucket, watch: Watch) {
        let shards = self.map.read_shards(bucket);
        self.watched.extend(shards.iter().map(|&shard| Watched { stream: lane.on(shard), watch }));
    }

    /// Nothing found means nothing where a shard could not be asked.
    fn unless_missing<T>(&mut self, found: Option<T>) -> Result<Option<T>, ReadError> {
        if found.is_some() || self.missing.is_empty() {
            return Ok(found);
        }
        self.missing.sort_unstable();
        self.missing.dedup();
        Err(ReadError::Missing(std::mem::take(&mut self.missing)))
    }
}
