//! Finding one order.
//!
//! Three ways lead to it. An assigned order id says itself where its order is: one shard, one partition. Any other id has
//! an index entry, which says the customer and the time. And a customer's history has all of the customer's orders; that
//! is the slowest way, and the last. An index entry alone shows nothing: only the order's own row does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forebay_model::id::Home;
use forebay_model::touched::{customer_key, hour_of};
use forebay_model::{Bucket, CustomerId, Lane, OrderId, ShardId, ShardMap, Timestamp};
use forebay_shard::Timestamptz;
use sqlx::postgres::PgArguments;

use crate::answer::push_fact;
use crate::cache::{Entry, Watch, Watched};
use crate::error::{ReadError, ShardError};
use crate::position::patience::Patience;
use crate::position::read_at::ReadAt;
use crate::replica::ask::Ask;
use crate::replica::shard::Shard;
use crate::replica::shards::Shards;
use crate::sql::key::{Direction, Span};
use crate::sql::parameters::Parameters;
use crate::sql::row::FactRow;
use crate::sql::statement::{Bounds, INDEX, Kind};

/// How many orders with the same id are looked at; so many customers are named where an id is ambiguous.
const SAME_ID_MAX: i64 = 100;
/// The index is waited for no longer where it is only a short cut.
const SHORT_CUT_MAX: Duration = Duration::from_millis(500);
/// More than any one order.
const BYTES_MAX: usize = 1 << 26;

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
            push_fact(&mut body, &row.fact());
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
        // An id that a client chose has a home by chance, and nobody's order is there: it matters where nothing else is found.
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
        Ok(WithId { found, may_be_more: entries_count >= SAME_ID_MAX as usize })
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

    async fn at_home(&mut self, order_id: &OrderId, home: Home) -> Result<Found, ReadError> {
        let span = Span::of_home(home);
        let arguments = || {
            let range = Parameters::default().with(Timestamptz(span.from)).with(Timestamptz(span.to));
            range.with(order_id.as_str()).with(SAME_ID_MAX).into_arguments()
        };
        let mut found = Found::new();
        for &shard in self.map.read_shards(home.bucket) {
            let rows = self.read(shard, Kind::WithId, span.from, &arguments).await?;
            // Any UUIDv7 looks as if it had a home; the order of another bucket is found through the index.
            let at_home = rows.into_iter().filter(|row| self.bucket_of(row) == Some(home.bucket));
            found.extend(at_home.map(|row| (row.customer_id().to_owned(), row)));
        }
        Ok(found)
    }

    fn bucket_of(&self, row: &FactRow) -> Option<Bucket> {
        CustomerId::new(row.customer_id()).ok().map(|customer_id| self.map.bucket_of(&customer_id))
    }

    /// A customer's order that lies within a range of time.
    async fn at(
        &mut self,
        customer_id: &CustomerId,
        order_id: &OrderId,
        span: Span,
    ) -> Result<Option<FactRow>, ReadError> {
        let bucket = self.map.bucket_of(customer_id);
        let arguments = || {
            let of = Parameters::default().with(bucket.number().cast_signed()).with(customer_id.as_str());
            of.with(Timestamptz(span.from)).with(Timestamptz(span.to)).with(order_id.as_str()).into_arguments()
        };
        for &shard in self.map.read_shards(bucket) {
            let mut rows = self.read(shard, Kind::OfCustomer, span.from, &arguments).await?;
            if let Some(row) = rows.pop() {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// A customer's order, whenever it was.
    async fn search(&mut self, customer_id: &CustomerId, order_id: &OrderId) -> Result<Option<FactRow>, ReadError> {
        let bucket = self.map.bucket_of(customer_id);
        let arguments = || {
            let of = Parameters::default().with(bucket.number().cast_signed()).with(customer_id.as_str());
            of.with(order_id.as_str()).into_arguments()
        };
        for &shard in self.map.read_shards(bucket) {
            let Some(windows) = self.shard(shard).map(|shard| shard.windows(Lane::Orders)) else { continue };
            let newest = Direction::NewestFirst;
            let mut place = Some(windows.first(&Span::ALL.start(newest), Span::ALL, newest));
            while let Some(window) = place.and_then(|place| windows.get(place)) {
                let text = window.text(Kind::Search, Bounds::default());
                let mut rows = self.read_window(shard, Kind::Search, text, &arguments).await?;
                if let Some(row) = rows.pop() {
                    return Ok(Some(row));
                }
                if self.missing.contains(&shard) {
                    break;
                }
                place = place.and_then(|place| windows.next(place, Span::ALL, newest));
            }
        }
        Ok(None)
    }

    /// The index entries of an order id: customers and times.
    async fn index(
        &mut self,
        order_id: &OrderId,
        patience: &Patience,
    ) -> Result<BTreeMap<String, Timestamp>, ReadError> {
        let arguments = || Parameters::default().with(order_id.as_str()).with(SAME_ID_MAX).into_arguments();
        let mut entries = BTreeMap::new();
        for &shard in self.map.read_shards(Bucket::of_key(order_id.as_str())) {
            let ask = Ask { read: "index", text: INDEX.into(), arguments: &arguments, bytes_max: BYTES_MAX };
            let rows = self.ask(shard, Lane::Index, &ask, patience).await?;
            entries.extend(rows.into_iter().map(|row| (row.customer_id().to_owned(), row.ordered_at())));
        }
        Ok(entries)
    }

    async fn read(
        &mut self,
        shard: ShardId,
        kind: Kind,
        at: Timestamp,
        arguments: &(dyn Fn() -> PgArguments + Send + Sync),
    ) -> Result<Vec<FactRow>, ReadError> {
        let Some(text) =
            self.shard(shard).map(|shard| shard.windows(kind.lane()).partition(at).text(kind, Bounds::default()))
        else {
            return Ok(Vec::new());
        };
        self.read_window(shard, kind, text, arguments).await
    }

    async fn read_window(
        &mut self,
        shard: ShardId,
        kind: Kind,
        text: Arc<str>,
        arguments: &(dyn Fn() -> PgArguments + Send + Sync),
    ) -> Result<Vec<FactRow>, ReadError> {
        let ask = Ask { read: kind.name(), text, arguments, bytes_max: BYTES_MAX };
        self.ask(shard, kind.lane(), &ask, &self.patience.clone()).await
    }

    /// Asks one shard. One that is out is noted and gives nothing.
    async fn ask(
        &mut self,
        shard: ShardId,
        lane: Lane,
        ask: &Ask<'_>,
        patience: &Patience,
    ) -> Result<Vec<FactRow>, ReadError> {
        if self.missing.contains(&shard) {
            // It has used up its time.
            return Ok(Vec::new());
        }
        let Some(shard) = self.shard(shard) else { return Ok(Vec::new()) };
        match shard.read_after(lane, ask, patience).await {
            Ok(rows) => {
                self.read_at.note(lane.on(shard.id()), rows.position);
                Ok(rows.facts)
            }
            Err(ReadError::Shard(error)) if error.is_outage() => {
                self.miss(&error);
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    fn shard(&mut self, shard: ShardId) -> Option<&'a Arc<Shard>> {
        self.shards.get(shard).map_err(|error| self.miss(&error)).ok()
    }

    fn miss(&mut self, error: &ShardError) {
        error.log();
        self.missing.push(error.shard());
    }
}
