//! What a lookup reads of each shard.

use std::sync::Arc;

use forebay_model::id::Home;
use forebay_model::{Bucket, CustomerId, Lane, OrderId, ShardId, StreamId, Timestamp};
use forebay_shard::ShardError;
use forebay_shard::read::{Direction, OrderRow, Read, Span, Statement};
use futures::future::join_all;

use super::{Entries, Found, Lookup, SAME_ID_MAX};
use crate::error::ReadError;
use crate::position::patience::Patience;
use crate::replica::shard::Shard;
use crate::replica::wait::RowsAfter;

/// More than any one order.
const BYTES_MAX: usize = 1 << 26;

impl<'a> Lookup<'a> {
    /// The orders that lie where an assigned id says.
    pub(super) async fn at_home(&mut self, order_id: &OrderId, home: Home) -> Result<Found, ReadError> {
        let span = Span::of_home(home);
        let mut found = Found::new();
        for &shard in self.map.read_shards(home.bucket) {
            let read = Read::WithId { span, order_id: order_id.as_str(), limit: SAME_ID_MAX };
            let rows = self.read(shard, span.from, read).await?;
            // Any UUIDv7 looks as if it had a home; the order of another bucket is found through the index.
            let at_home = rows.into_iter().filter(|row| self.bucket_of(row) == Some(home.bucket));
            found.extend(at_home.map(|row| (row.customer_id().to_owned(), row)));
        }
        Ok(found)
    }

    pub(super) fn bucket_of(&self, row: &OrderRow) -> Option<Bucket> {
        CustomerId::new(row.customer_id()).ok().map(|customer_id| self.map.bucket_of(self.tenant, &customer_id))
    }

    /// A customer's order that lies within a range of time.
    pub(super) async fn at(
        &mut self,
        customer_id: &CustomerId,
        order_id: &OrderId,
        span: Span,
    ) -> Result<Option<OrderRow>, ReadError> {
        let bucket = self.map.bucket_of(self.tenant, customer_id);
        let (customer_id, order_id) = (customer_id.as_str(), order_id.as_str());
        for &shard in self.map.read_shards(bucket) {
            let read = Read::OfCustomer { bucket, customer_id, span, order_id };
            if let Some(row) = self.read(shard, span.from, read).await?.pop() {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// A customer's order, whenever it was.
    pub(super) async fn search(
        &mut self,
        customer_id: &CustomerId,
        order_id: &OrderId,
    ) -> Result<Option<OrderRow>, ReadError> {
        let bucket = self.map.bucket_of(self.tenant, customer_id);
        let read = Read::Search { bucket, customer_id: customer_id.as_str(), order_id: order_id.as_str() };
        for &shard in self.map.read_shards(bucket) {
            let Some(windows) = self.shard(shard).map(|shard| shard.windows(Lane::Orders)) else { continue };
            let newest = Direction::NewestFirst;
            let mut place = Some(windows.first(&Span::ALL.start(newest), Span::ALL, newest));
            while let Some(window) = place.and_then(|place| windows.get(place)) {
                let statement = Statement::over(window, self.tenant, read, BYTES_MAX);
                let mut rows = self.ask(shard, &statement, &self.patience.clone()).await?;
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

    /// The index entries of an order id.
    pub(super) async fn index(&mut self, order_id: &OrderId, patience: &Patience) -> Result<Entries, ReadError> {
        let mut entries = Entries::new();
        let bucket = Bucket::of_key(self.tenant, order_id.as_str());
        let statement = Statement::index(bucket, self.tenant, order_id.as_str(), SAME_ID_MAX, BYTES_MAX);
        for &shard in self.map.read_shards(bucket) {
            let rows = self.ask(shard, &statement, patience).await?;
            entries.extend(rows.into_iter().map(|row| (row.customer_id().to_owned(), row.ordered_at())));
        }
        Ok(entries)
    }

    /// What the index will have of an order id, from every shard that may have stored such an order.
    pub(super) async fn everywhere(&mut self, order_id: &OrderId) -> Result<Entries, ReadError> {
        let statement = Statement::times(self.tenant, order_id.as_str(), SAME_ID_MAX, BYTES_MAX);
        let (shards, patience) = (self.shards, &self.patience);
        let reads = self.map.shards().filter(|shard| !self.missing.contains(shard)).map(async |shard| {
            let answer = match shards.get(shard) {
                Ok(known) => shards.read_after(known, &statement, patience).await,
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

    /// Reads the partition that holds an instant.
    async fn read(&mut self, shard: ShardId, at: Timestamp, read: Read<'_>) -> Result<Vec<OrderRow>, ReadError> {
        let Some(windows) = self.shard(shard).map(|shard| shard.windows(Lane::Orders)) else { return Ok(Vec::new()) };
        let statement = Statement::over(windows.partition(at), self.tenant, read, BYTES_MAX);
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
        let answer = self.shards.read_after(known, statement, patience).await;
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

    fn shard(&mut self, shard: ShardId) -> Option<&'a Arc<Shard>> {
        self.shards.get(shard).map_err(|error| self.miss(&error)).ok()
    }

    fn miss(&mut self, error: &ShardError) {
        error.log();
        self.missing.push(error.shard());
    }
}
