//! Finding one order.
//!
//! Three ways lead to it. An assigned order id says itself where its order is: one shard, one partition. Any other id has
//! an index entry, which says the customer and the time. And a customer's history has all of the customer's orders; that
//! is the slowest way, and the last. An index entry alone shows nothing: only the order's own row does.
//!
//! Who sees one customer's orders alone is answered from that customer's history, whatever the id; and who sees what a key of a view shows,
//! from the rows of that key, by a walk along all of them where the id does not tell the time.
//!
//! The order is stored first, and its index entry comes behind it: in a moment most often, and much later where the index's
//! shard could not take it. While facts may be owed to the index, it does not say that there is no order: every shard is asked.

pub(crate) mod many;
mod reads;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forebay_model::ownership::Unit;
use forebay_model::touched::{hour_of, id_key};
use forebay_model::{Bucket, CustomerId, Lane, OrderId, ShardId, ShardMap, StreamKind, Tenant, Timestamp};
use forebay_shard::read::{OrderRow, Scope, Span, Subject};

use crate::cache::{CacheEntry, Watch, Watched};
use crate::error::ReadError;
use crate::position::derivations::{Owing, logged_parts};
use crate::position::patience::Patience;
use crate::position::read_at::ReadAt;
use crate::replica::shards::Shards;

/// How many orders with the same id are looked at, and how many customers are named where an id is ambiguous.
const SAME_ID_MAX: usize = 100;
/// The index is waited for no longer where it is only a short cut.
const SHORT_CUT_MAX: Duration = Duration::from_millis(500);

/// When an order with an id is said to be, by customer.
type Entries = BTreeMap<String, Timestamp>;

/// Writes an order, or something of it, as the body of an answer.
pub(crate) type Write = dyn Fn(&mut Vec<u8>, &OrderRow) -> Result<(), ReadError> + Sync;

/// The orders that were found for an id, by customer.
pub(crate) type OrdersByCustomer = BTreeMap<String, OrderRow>;

/// What was found for an id.
pub(crate) struct WithId {
    pub(crate) found: OrdersByCustomer,
    /// Whether there may be more of them than are looked at.
    pub(crate) may_be_more: bool,
}

/// A search for one order among those that may be seen.
pub(crate) struct Lookup<'a> {
    shards: &'a Shards,
    map: &'a ShardMap,
    scope: &'a Scope,
    patience: Patience,
    read_at: ReadAt,
    /// Shards that could not be asked.
    missing: Vec<ShardId>,
    /// Of each unit that was read, the shards that were looked at.
    seen: BTreeMap<Unit, BTreeSet<ShardId>>,
    /// What would change what was found.
    watched: Vec<(Unit, Watch)>,
    /// Whether that is all that would change it.
    is_whole: bool,
}

impl<'a> Lookup<'a> {
    pub(crate) fn new(shards: &'a Shards, map: &'a ShardMap, scope: &'a Scope, patience: Patience) -> Self {
        let (read_at, missing, watched) = (ReadAt::default(), Vec::new(), Vec::new());
        Self { shards, map, scope, patience, read_at, missing, seen: BTreeMap::new(), watched, is_whole: true }
    }

    /// The positions at which what was found holds.
    pub(crate) fn read_at(&self) -> &ReadAt {
        &self.read_at
    }

    /// The answer for what was found, as `write` writes it.
    pub(crate) fn into_entry(mut self, found: Option<&OrderRow>, write: &Write) -> Result<CacheEntry, ReadError> {
        let mut body = None;
        if let Some(row) = found {
            let mut written = Vec::with_capacity(row.bytes() + 256);
            write(&mut written, row)?;
            body = Some(written.into());
            // An order that was found stays; what happens to it may not be all yet. What a view shows of it has its own watch.
            if row.attributes().is_some()
                && let Some(bucket) = self.bucket_of(row)
            {
                self.watch(Lane::Events, bucket, Watch::Key(id_key(self.tenant(), row.order_id())));
            }
        }
        // Before a lane's first commit there is no position to compare with.
        let watched = self.streams_watched();
        let is_known = watched.iter().all(|watched| self.read_at.has(watched.stream));
        Ok(CacheEntry {
            is_empty: body.is_none(),
            body,
            read_at: self.read_at,
            watched,
            is_whole: self.is_whole && is_known,
        })
    }

    /// What would change it, in the log of each shard that was looked at for its unit; of one that was not read, of the one that the map names.
    fn streams_watched(&self) -> Vec<Watched> {
        let of = |(unit, watch): &(Unit, Watch)| {
            let begin = BTreeSet::from([self.map.shard(unit.stream(), unit.bucket())]);
            let shards = self.seen.get(unit).unwrap_or(&begin);
            shards.iter().map(|&shard| Watched { stream: unit.stream().on(shard), watch: *watch }).collect::<Vec<_>>()
        };
        self.watched.iter().flat_map(of).collect()
    }

    fn tenant(&self) -> &'a Tenant {
        self.scope.tenant()
    }

    /// Whatever may be seen of orders with an id: almost always one.
    ///
    /// # Errors
    /// Where a shard that may have one could not be asked.
    pub(crate) async fn with_id(&mut self, order_id: &OrderId) -> Result<WithId, ReadError> {
        let subject = self.scope.everything(self.map);
        let found = match &subject {
            Subject::Everybody { .. } => return self.of_everybody(&subject, order_id).await,
            Subject::Customer { bucket, customer_id, .. } => {
                self.of_customer(&subject, *bucket, customer_id, order_id).await?.into_iter().collect()
            }
            Subject::View { .. } => self.in_view(&subject, order_id).await?,
        };
        let found: OrdersByCustomer =
            found.into_iter().map(|row: OrderRow| (row.customer_id().to_owned(), row)).collect();
        Ok(WithId { may_be_more: found.len() >= SAME_ID_MAX, found })
    }

    /// A customer's order.
    ///
    /// # Errors
    /// Where it was not found, and a shard that may have it could not be asked.
    pub(crate) async fn of_customer(
        &mut self,
        subject: &Subject,
        bucket: Bucket,
        customer_id: &str,
        order_id: &OrderId,
    ) -> Result<Option<OrderRow>, ReadError> {
        if let Some(home) = order_id.home().filter(|home| home.bucket == bucket)
            && let Some(found) = self.at(subject, order_id, Span::of_home(home)).await?
        {
            return Ok(Some(found));
        }
        // The index is only a short cut here, so it need not have come as far as the receipt, nor answer at all, and the
        // answer says nothing of it.
        let (missing, read_at, seen) = (self.missing.clone(), self.read_at.clone(), self.seen.clone());
        let at_once = Patience::none();
        let index = tokio::time::timeout(SHORT_CUT_MAX, self.index(subject, order_id, &at_once));
        let entries = index.await.unwrap_or_else(|_late| Ok(Entries::new()))?;
        (self.missing, self.read_at, self.seen) = (missing, read_at, seen);
        if let Some(&at) = entries.get(customer_id)
            && let Some(found) = self.at(subject, order_id, Span::of_instant(at)).await?
        {
            return Ok(Some(found));
        }
        let found = self.search(subject, order_id).await?;
        if found.is_none() {
            self.watch(Lane::Orders, bucket, Watch::Key(id_key(self.tenant(), customer_id)));
        }
        self.unless_missing(found)
    }

    /// Every order with an id.
    async fn of_everybody(&mut self, subject: &Subject, order_id: &OrderId) -> Result<WithId, ReadError> {
        if let Some(home) = order_id.home() {
            let found = self.at_home(subject, order_id, home).await?;
            if !found.is_empty() {
                return Ok(WithId { found, may_be_more: false });
            }
            let hour = hour_of(Span::of_home(home).from);
            self.watch(Lane::Orders, home.bucket, Watch::Hours { first: hour, last: hour });
        }
        // An id that a client chose has a home by chance, and no order is there: it matters where nothing else is found.
        let missing_at_home = std::mem::take(&mut self.missing);
        let index = Bucket::of_key(self.tenant(), order_id.as_str());
        let targets = if self.shards.moved().is_any() {
            // Its facts may be on their way to a shard that has it no more.
            self.map.shards().collect()
        } else {
            vec![self.map.shard(StreamKind::Derived, index)]
        };
        let owing = self.shards.derivations().owing(self.map.shards(), &targets);
        let is_named = logged_parts(&self.patience.receipt).next().is_some();
        // What is owed to the index is not waited for: the shards that have the orders are asked.
        let is_passed_by = owing == Owing::Something && is_named;
        let patience = if is_passed_by { self.patience.without_orders() } else { self.patience.clone() };
        let mut entries = self.index(subject, order_id, &patience).await?;
        self.watch(Lane::Index, index, Watch::Key(id_key(self.tenant(), order_id.as_str())));
        let mut found = self.of_entries(order_id, &entries).await?;
        if is_passed_by || found.is_empty() && (owing != Owing::Nothing || self.is_index_behind()) {
            let owed: Entries = self
                .everywhere(subject, order_id)
                .await?
                .into_iter()
                .filter(|(customer, _)| !found.contains_key(customer))
                .collect();
            found.append(&mut self.of_entries(order_id, &owed).await?);
            entries.extend(owed);
            // The entry that will come tells the cache, but not which positions of the other shards the answer holds at.
            self.is_whole = false;
        }
        if found.is_empty() {
            self.missing.extend(missing_at_home);
        }
        // An entry whose order is not seen: a server has answered that is behind.
        self.is_whole &= found.len() == entries.len();
        self.unless_missing(None::<()>)?;
        Ok(WithId { found, may_be_more: entries.len() >= SAME_ID_MAX })
    }

    /// Whether more has been published for the index, where it was read, than is committed there.
    fn is_index_behind(&self) -> bool {
        self.shards.derivations().is_behind(&self.read_at)
    }

    /// The orders that entries lead to, until a shard is missing: however much was found, it may not be all.
    async fn of_entries(&mut self, order_id: &OrderId, entries: &Entries) -> Result<OrdersByCustomer, ReadError> {
        let mut found = OrdersByCustomer::new();
        for (customer, &at) in entries {
            if !self.missing.is_empty() {
                break;
            }
            let Ok(customer_id) = CustomerId::new(customer.as_str()) else { continue };
            let Ok(Some(subject)) = self.scope.customer(self.map, &customer_id) else { continue };
            let mut row = self.at(&subject, order_id, Span::of_instant(at)).await?;
            if row.is_none() {
                // The entry may be of an order whose shard was set back, and which was then sent again with another time.
                row = self.search(&subject, order_id).await?;
            }
            found.extend(row.map(|row| (customer.clone(), row)));
        }
        Ok(found)
    }

    /// Notes what would change the answer.
    fn watch(&mut self, lane: Lane, bucket: Bucket, watch: Watch) {
        self.watched.push((Unit::of(lane.kind(), bucket), watch));
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
