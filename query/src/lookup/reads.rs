//! What a lookup reads of each shard.

use std::sync::Arc;

use forebay_model::id::Home;
use forebay_model::touched::view_key;
use forebay_model::{Bucket, CustomerId, OrderId, ShardId, StreamId, StreamKind};
use forebay_shard::ShardError;
use forebay_shard::read::{Direction, OrderRow, Read, Span, Statement, Subject};
use futures::future::join_all;

use super::{Entries, Found, Lookup, SAME_ID_MAX};
use crate::cache::{Watch, Watched};
use crate::error::ReadError;
use crate::position::patience::Patience;
use crate::replica::shard::Shard;
use crate::replica::wait::RowsAfter;

/// More than any one order.
const BYTES_MAX: usize = 1 << 26;

impl Lookup<'_> {
    /// The orders that lie where an assigned id says.
    pub(super) async fn at_home(
        &mut self,
        subject: &Subject,
        order_id: &OrderId,
        home: Home,
    ) -> Result<Found, ReadError> {
        let span = Span::of_home(home);
        let mut found = Found::new();
        let rows = self.within(self.map.shard(StreamKind::Logged, home.bucket), subject, order_id, span).await?;
        // Any UUIDv7 looks as if it had a home; the order of another bucket is found through the index.
        let at_home = rows.into_iter().filter(|row| self.bucket_of(row) == Some(home.bucket));
        found.extend(at_home.map(|row| (row.customer_id().to_owned(), row)));
        Ok(found)
    }

    pub(super) fn bucket_of(&self, row: &OrderRow) -> Option<Bucket> {
        CustomerId::new(row.customer_id()).ok().map(|customer_id| self.map.bucket_of(self.tenant(), &customer_id))
    }

    /// A customer's order that lies within a range of time.
    pub(super) async fn at(
        &mut self,
        subject: &Subject,
        order_id: &OrderId,
        span: Span,
    ) -> Result<Option<OrderRow>, ReadError> {
        for shard in subject.shards(self.map) {
            if let Some(row) = self.within(shard, subject, order_id, span).await?.pop() {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// A customer's order, whenever it was.
    pub(super) async fn search(
        &mut self,
        subject: &Subject,
        order_id: &OrderId,
    ) -> Result<Option<OrderRow>, ReadError> {
        for shard in subject.shards(self.map) {
            if let Some(row) = self.walk(shard, subject, order_id, 1).await?.pop() {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// What a key of a view sees of the orders with an id: as many rows as there are customers with it.
    pub(super) async fn in_view(&mut self, subject: &Subject, order_id: &OrderId) -> Result<Vec<OrderRow>, ReadError> {
        let mut found = Vec::new();
        for shard in subject.shards(self.map) {
            // An id that tells its time has one order at most that it tells it of, and a client may have chosen one that looks so.
            if let Some(home) = order_id.home() {
                found.extend(self.within(shard, subject, order_id, Span::of_home(home)).await?);
            }
            if found.is_empty() {
                found.extend(self.walk(shard, subject, order_id, SAME_ID_MAX).await?);
            }
            if let Subject::View { view, key, .. } = subject {
                let watch = Watch::Key(view_key(self.tenant(), *view, key));
                self.watched.push(Watched { stream: subject.lane().on(shard), watch });
            }
        }
        self.unless_missing((!found.is_empty()).then_some(()))?;
        Ok(found)
    }

    /// Looks through every window, newest first, until so many rows are found.
    async fn walk(
        &mut self,
        shard: ShardId,
        subject: &Subject,
        order_id: &OrderId,
        limit: usize,
    ) -> Result<Vec<OrderRow>, ReadError> {
        let read = Read::WithId { subject, span: None, order_id: order_id.as_str(), limit };
        let (newest, mut found) = (Direction::NewestFirst, Vec::new());
        let Some(windows) = self.shard(shard).map(|shard| shard.windows(subject.lane())) else { return Ok(found) };
        let mut place = Some(windows.first(&Span::ALL.start(newest), Span::ALL, newest));
        while let Some(window) = place.and_then(|place| windows.get(place)) {
            let statement = Statement::over(window, self.tenant(), read, BYTES_MAX);
            found.extend(self.ask(shard, &statement, &self.patience.clone()).await?);
            if found.len() >= limit || self.missing.contains(&shard) {
                break;
            }
            place = place.and_then(|place| windows.next(place, Span::ALL, newest));
        }
        Ok(found)
    }

    /// The index entries of an order id.
    pub(super) async fn index(
        &mut self,
        subject: &Subject,
        order_id: &OrderId,
        patience: &Patience,
    ) -> Result<Entries, ReadError> {
        let mut entries = Entries::new();
        let bucket = Bucket::of_key(self.tenant(), order_id.as_str());
        let statement = Statement::index(subject, bucket, self.tenant(), order_id.as_str(), SAME_ID_MAX, BYTES_MAX);
        let rows = self.ask(self.map.shard(StreamKind::Derived, bucket), &statement, patience).await?;
        entries.extend(rows.into_iter().map(|row| (row.customer_id().to_owned(), row.ordered_at())));
        Ok(entries)
    }

    /// What the index will have of an order id, from every shard that may have stored such an order.
    pub(super) async fn everywhere(&mut self, subject: &Subject, order_id: &OrderId) -> Result<Entries, ReadError> {
        let statement = Statement::times(subject, self.tenant(), order_id.as_str(), SAME_ID_MAX, BYTES_MAX);
        let (shards, patience) = (self.shards, &self.patience);
        let reads = self.map.shards().filter(|shard| !self.missing.contains(shard)).map(async |shard| {
            let answer = match shards.get(shard) {
                Ok(known) => shards.read_after(&known, &statement, patience).await,
                Err(error) => Err(error.into()),
            };
            (shard, answer)
        });
        let mut entries = Entries::new();
        for (shard, answer) in join_all(reads).await {
            let rows = self.note(statement.stream().on(shard), answer)?;
            entries.extend(rows.into_iter().map(|row| (row.customer_id().to_owned(), row.ordered_at())));
        }
        Ok(entries)
    }

    /// Reads the partition that holds a short range of time.
    async fn within(
        &mut self,
        shard: ShardId,
        subject: &Subject,
        order_id: &OrderId,
        span: Span,
    ) -> Result<Vec<OrderRow>, ReadError> {
        let Some(windows) = self.shard(shard).map(|shard| shard.windows(subject.lane())) else { return Ok(Vec::new()) };
        let read = Read::WithId { subject, span: Some(span), order_id: order_id.as_str(), limit: SAME_ID_MAX };
        let statement = Statement::over(windows.partition(span.from), self.tenant(), read, BYTES_MAX);
        self.ask(shard, &statement, &self.patience.clone()).await
    }

    /// Asks one shard. One that is out is noted and gives nothing.
    async fn ask(
        &mut self,
        shard: ShardId,
        statement: &Statement<'_>,
        patience: &Patience,
    ) -> Result<Vec<OrderRow>, ReadError> {
        if self.missing.contains(&shard) {
            // It has used up its time.
            return Ok(Vec::new());
        }
        let Some(known) = self.shard(shard) else { return Ok(Vec::new()) };
        let answer = self.shards.read_after(&known, statement, patience).await;
        self.note(statement.stream().on(shard), answer)
    }

    pub(super) fn note(
        &mut self,
        stream: StreamId,
        answer: Result<RowsAfter, ReadError>,
    ) -> Result<Vec<OrderRow>, ReadError> {
        match answer {
            Ok(RowsAfter { rows, .. }) => {
                self.read_at.note(stream, rows.position);
                Ok(rows.facts)
            }
            Err(ReadError::Shard(error)) if error.is_outage() => {
                self.miss(&error);
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    fn shard(&mut self, shard: ShardId) -> Option<Arc<Shard>> {
        self.shards.get(shard).map_err(|error| self.miss(&error)).ok()
    }

    fn miss(&mut self, error: &ShardError) {
        error.log();
        self.missing.push(error.shard());
    }
}
