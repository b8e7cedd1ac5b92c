//! Finding many orders by their ids: the ways of one order, each gone for all of them at once. A shard is asked once a step, however
//! many ids there are.
//!
//! Only where facts may be owed to the index, what it does not lead to is looked for on every shard, one id after the other, as a single order is.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_model::{Bucket, CustomerId, OrderId, ShardId, StreamKind, Timestamp};
use forebay_service::Problem;
use forebay_shard::ShardError;
use forebay_shard::read::{Batch, OrderOf, OrderRow, Span, Statement, Subject};
use futures::future::join_all;

use super::{Lookup, OrdersByCustomer, SAME_ID_MAX};
use crate::error::ReadError;
use crate::position::derivations::Owing;
use crate::replica::wait::RowsAfter;
use crate::unit::pick::{MOVED_MAX, pause_before};

/// The most bytes of orders that are read for one request.
const BYTES_MAX: usize = 16 << 20;

/// What was found for each id.
pub(crate) type ById = BTreeMap<String, OrdersByCustomer>;

/// What is to be looked for, each with its bucket.
type Wanted<T> = Vec<(Bucket, T)>;

impl Lookup<'_> {
    /// Every order with these ids, as far as the shards could be asked.
    ///
    /// # Errors
    /// Where they are too large together, or a shard cannot be asked and `partial` does not say that it may be left out.
    pub(crate) async fn with_ids(&mut self, ids: &[OrderId], partial: bool) -> Result<ById, ReadError> {
        let subject = self.scope.everything(self.map);
        let found = match &subject {
            Subject::View { .. } => self.many_in_view(&subject, ids).await?,
            Subject::Everybody { .. } | Subject::Customer { .. } => self.many_of(&subject, ids).await?,
        };
        self.missing.sort_unstable();
        self.missing.dedup();
        let bytes: usize = found.values().flat_map(OrdersByCustomer::values).map(OrderRow::bytes).sum();
        match bytes {
            _ if !partial && !self.missing.is_empty() => Err(ReadError::Missing(self.missing.clone())),
            _ if bytes > BYTES_MAX => Err(too_large().into()),
            _ => Ok(found),
        }
    }

    /// One after the other: most have rows of their own to look through.
    async fn many_in_view(&mut self, subject: &Subject, ids: &[OrderId]) -> Result<ById, ReadError> {
        let mut found = ById::new();
        for id in ids {
            for row in self.in_view(subject, id).await? {
                keep(&mut found, row);
            }
        }
        Ok(found)
    }

    async fn many_of(&mut self, subject: &Subject, ids: &[OrderId]) -> Result<ById, ReadError> {
        let mut found = self.many_at_home(subject, ids).await?;
        let rest: Vec<&OrderId> = ids.iter().filter(|id| !found.contains_key(id.as_str())).collect();
        if let Subject::Customer { bucket, customer_id, .. } = subject {
            // Whose they are is known without the index.
            let (bucket, customer_id) = (*bucket, &**customer_id);
            let orders: Vec<_> = rest.iter().map(|id| OrderOf { bucket, customer_id, order_id: id.as_str() }).collect();
            self.many_searched(subject, &orders, &mut found).await?;
            return Ok(found);
        }
        let entries = self.many_entries(subject, &rest).await?;
        let unseen = self.many_of_entries(subject, &entries, &mut found).await?;
        let orders: Vec<_> = unseen.iter().map(|entry| self.order_of(entry)).collect();
        self.many_searched(subject, &orders, &mut found).await?;
        if self.may_be_owed() {
            for id in rest {
                if !found.contains_key(id.as_str()) {
                    let entries = self.everywhere(subject, id).await?;
                    self.of_entries(id, &entries).await?.into_values().for_each(|row| keep(&mut found, row));
                }
            }
        }
        Ok(found)
    }

    /// Whether an index entry may be missing of an order that is stored.
    fn may_be_owed(&self) -> bool {
        let targets: Vec<ShardId> = self.map.shards().collect();
        self.shards.derivations().owing(self.map.shards(), &targets) != Owing::Nothing || self.is_index_behind()
    }

    /// The shards that could not be asked.
    pub(crate) fn missing(&self) -> &[ShardId] {
        &self.missing
    }

    /// Those that lie where assigned ids say.
    async fn many_at_home(&mut self, subject: &Subject, ids: &[OrderId]) -> Result<ById, ReadError> {
        let homes = ids.iter().filter_map(|id| Some((id, id.home()?)));
        let wanted: Wanted<_> = homes.map(|(id, home)| (home.bucket, (id.as_str(), Span::of_home(home)))).collect();
        let rows = self.ask_each(subject, StreamKind::Logged, &wanted, |wanted| Batch::Homes(wanted)).await?;
        let mut found = ById::new();
        for row in rows {
            // Any UUIDv7 looks as if it had a home; the order of another bucket is found through the index.
            let home = OrderId::new(row.order_id()).ok().and_then(|id| id.home());
            if home.is_some_and(|home| self.bucket_of(&row) == Some(home.bucket)) {
                keep(&mut found, row);
            }
        }
        Ok(found)
    }

    /// Whose orders with these ids are, and when they were, as the index has it.
    async fn many_entries(&mut self, subject: &Subject, ids: &[&OrderId]) -> Result<Vec<IndexEntry>, ReadError> {
        let bucket = |id: &OrderId| Bucket::of_key(self.tenant(), id.as_str());
        let wanted: Wanted<_> = ids.iter().map(|id| (bucket(id), (bucket(id), id.as_str()))).collect();
        let rows = self.ask_each(subject, StreamKind::Derived, &wanted, |wanted| Batch::Index(wanted)).await?;
        Ok(rows.iter().filter_map(IndexEntry::of).collect())
    }

    /// Adds the orders that entries lead to. Gives the entries that have led to none.
    async fn many_of_entries(
        &mut self,
        subject: &Subject,
        entries: &[IndexEntry],
        found: &mut ById,
    ) -> Result<Vec<IndexEntry>, ReadError> {
        let orders = entries.iter().map(|entry| (self.order_of(entry), entry.at));
        let wanted: Wanted<_> = orders.map(|(order, at)| (order.bucket, (order, at))).collect();
        for row in self.ask_each(subject, StreamKind::Logged, &wanted, |wanted| Batch::Orders(wanted)).await? {
            keep(found, row);
        }
        let is_unseen = |entry: &&IndexEntry| {
            found.get(&entry.order_id).is_none_or(|found| !found.contains_key(entry.customer_id.as_str()))
        };
        Ok(entries.iter().filter(is_unseen).cloned().collect())
    }

    /// Adds orders whenever they were: whose entries say another time, because their shard was set back, and they were then sent again; or which have none.
    async fn many_searched(
        &mut self,
        subject: &Subject,
        orders: &[OrderOf<'_>],
        found: &mut ById,
    ) -> Result<(), ReadError> {
        let wanted: Wanted<_> = orders.iter().map(|&order| (order.bucket, order)).collect();
        for row in self.ask_each(subject, StreamKind::Logged, &wanted, |wanted| Batch::Searched(wanted)).await? {
            keep(found, row);
        }
        Ok(())
    }

    /// An entry's order.
    fn order_of<'e>(&self, entry: &'e IndexEntry) -> OrderOf<'e> {
        let bucket = self.map.bucket_of(self.tenant(), &entry.customer_id);
        OrderOf { bucket, customer_id: entry.customer_id.as_str(), order_id: &entry.order_id }
    }

    /// Asks each shard that something is wanted of, all at the same time. One that is out is noted and gives nothing.
    async fn ask_each<T: Copy + Send + Sync>(
        &mut self,
        subject: &Subject,
        kind: StreamKind,
        wanted: &Wanted<T>,
        batch: impl for<'b> Fn(&'b [T]) -> Batch<'b> + Send + Sync,
    ) -> Result<Vec<OrderRow>, ReadError> {
        let (shards, mut rest, mut rows) = (self.shards, wanted.clone(), Vec::new());
        // Whether the shards were asked for this what they say.
        let mut is_fresh = false;
        for time in 0..MOVED_MAX {
            pause_before(time).await;
            let has_moved = shards.moved().is_any();
            let patience = shards.settle(kind, &self.patience).await?;
            let (picked, outages) = shards.pick(kind, &self.missing).await?;
            // Where nobody has it who could be asked, the shard that the map names says why.
            let asked = |bucket: Bucket| {
                let shard = picked.as_ref().and_then(|picked| picked.shard(bucket));
                shard.unwrap_or_else(|| self.map.shard(kind, bucket))
            };
            let by_shard = group(rest.iter().map(|&(bucket, wanted)| (asked(bucket), wanted)), &self.missing);
            let reads = by_shard.iter().map(async |(&shard, wanted)| {
                let statement = Statement::batch(subject, batch(wanted), SAME_ID_MAX, BYTES_MAX);
                let read = async { shards.read_all(&*shards.get(shard)?, &statement, &patience, has_moved).await };
                (shard, read.await)
            });
            let answers = join_all(reads).await;
            if answers.iter().any(|(_, answer)| matches!(answer, Err(ReadError::Moved))) {
                continue;
            }
            let units = |answer: &Result<RowsAfter, _>| answer.as_ref().ok().map(|after| Arc::clone(&after.rows.units));
            let units = answers.iter().filter_map(|(shard, answer)| Some((*shard, units(answer)?))).collect();
            let out: Vec<_> = self.missing.iter().copied().chain(outages.iter().map(ShardError::shard)).collect();
            let now =
                picked.as_ref().map(|picked| shards.placement(kind, &picked.said_with(units), &out)).transpose()?;
            // Rows that a shard has released are those of the unit as long as no other shard owns it, which has to say so now.
            let is_from = |shard: ShardId, bucket: Bucket| {
                now.as_ref().is_none_or(|now| now.shard(bucket) == Some(shard) && (is_fresh || now.is_owned(bucket)))
            };
            let is_nowhere = |bucket: Bucket| {
                now.as_ref().is_some_and(|now| is_fresh && now.again().is_empty() && now.shard(bucket).is_none())
            };
            let places: Vec<(ShardId, bool, bool)> = rest
                .iter()
                .map(|&(bucket, _)| (asked(bucket), is_from(asked(bucket), bucket), is_nowhere(bucket)))
                .collect();
            let mut found = Vec::new();
            for (shard, answer) in answers {
                if answer.as_ref().is_ok_and(|after| after.rows.is_cut) {
                    return Err(too_large().into());
                }
                found.extend(self.note(kind.on(shard), answer)?.into_iter().map(|row| (shard, row)));
            }
            let is_there =
                |shard, row: &OrderRow| self.bucket_in(kind, row).is_some_and(|bucket| is_from(shard, bucket));
            rows.extend(found.into_iter().filter(|(shard, row)| is_there(*shard, row)).map(|(_, row)| row));
            if places.iter().any(|&(_, _, is_nowhere)| is_nowhere) {
                for outage in &outages {
                    self.miss(outage);
                }
            }
            let mut places = places.into_iter();
            let is_left = |(asked, is_found, is_nowhere): (ShardId, bool, bool)| {
                !is_found && !is_nowhere && !self.missing.contains(&asked)
            };
            rest.retain(|_| places.next().is_some_and(is_left));
            if rest.is_empty() {
                return Ok(rows);
            }
            self.map.shards().for_each(|shard| shards.moved().forget(kind, shard));
            is_fresh = true;
        }
        Err(ReadError::Moved)
    }

    /// The bucket by which a row was found that is read from a kind of streams.
    fn bucket_in(&self, kind: StreamKind, row: &OrderRow) -> Option<Bucket> {
        match kind {
            StreamKind::Logged => self.bucket_of(row),
            StreamKind::Derived => Some(Bucket::of_key(self.tenant(), row.order_id())),
        }
    }
}

/// What is wanted of each shard but those that are missing.
fn group<T>(wanted: impl Iterator<Item = (ShardId, T)>, missing: &[ShardId]) -> BTreeMap<ShardId, Vec<T>> {
    let mut by_shard: BTreeMap<ShardId, Vec<T>> = BTreeMap::new();
    for (shard, wanted) in wanted.filter(|(shard, _)| !missing.contains(shard)) {
        by_shard.entry(shard).or_default().push(wanted);
    }
    by_shard
}

/// Whose an order is, and when it was, as the index has it.
#[derive(Clone, Debug)]
struct IndexEntry {
    order_id: String,
    customer_id: CustomerId,
    at: Timestamp,
}

impl IndexEntry {
    fn of(row: &OrderRow) -> Option<Self> {
        let customer_id = CustomerId::new(row.customer_id()).ok()?;
        Some(Self { order_id: row.order_id().to_owned(), customer_id, at: row.ordered_at() })
    }
}

/// Each once, in whichever way it was found.
fn keep(found: &mut ById, row: OrderRow) {
    found.entry(row.order_id().to_owned()).or_default().insert(row.customer_id().to_owned(), row);
}

fn too_large() -> Problem {
    Problem::too_large(format!("these orders have more than {} MiB together: ask for fewer at once", BYTES_MAX >> 20))
}
