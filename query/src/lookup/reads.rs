//! What a lookup reads of each shard.

use std::sync::Arc;

use forebay_model::order::home::Home;
use forebay_model::ownership::Unit;
use forebay_model::touched::view_key;
use forebay_model::{Bucket, CustomerId, Lane, OrderId, StreamId, StreamKind};
use forebay_shard::ShardError;
use forebay_shard::read::{Direction, OrderRow, Read, Span, Statement, Subject, Windows};

use super::{Entries, Lookup, OrdersByCustomer, SAME_ID_MAX};
use crate::cache::Watch;
use crate::error::ReadError;
use crate::position::patience::Patience;
use crate::replica::wait::RowsAfter;
use crate::unit::pick::Agreement;
use crate::unit::{Places, UnitRows};

/// More than any one order.
const BYTES_MAX: usize = 1 << 26;

impl Lookup<'_> {
    /// The orders that lie where an assigned id says.
    pub(super) async fn at_home(
        &mut self,
        subject: &Subject,
        order_id: &OrderId,
        home: Home,
    ) -> Result<OrdersByCustomer, ReadError> {
        let span = Span::of_home(home);
        let mut found = OrdersByCustomer::new();
        let rows = self.within(Unit::of(StreamKind::Logged, home.bucket), subject, order_id, span).await?;
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
        let Some(unit) = subject.unit() else { return Ok(None) };
        Ok(self.within(unit, subject, order_id, span).await?.pop())
    }

    /// A customer's order, whenever it was.
    pub(super) async fn search(
        &mut self,
        subject: &Subject,
        order_id: &OrderId,
    ) -> Result<Option<OrderRow>, ReadError> {
        let Some(unit) = subject.unit() else { return Ok(None) };
        Ok(self.walk(unit, subject, order_id, 1).await?.pop())
    }

    /// What a key of a view sees of the orders with an id: as many rows as there are customers with it.
    pub(super) async fn in_view(&mut self, subject: &Subject, order_id: &OrderId) -> Result<Vec<OrderRow>, ReadError> {
        let mut found = Vec::new();
        let (Some(unit), Subject::View { view, key, .. }) = (subject.unit(), subject) else { return Ok(found) };
        // An id that tells its time has one order at most that it tells it of, and a client may have chosen one that looks so.
        if let Some(home) = order_id.home() {
            found.extend(self.within(unit, subject, order_id, Span::of_home(home)).await?);
        }
        if found.is_empty() {
            found.extend(self.walk(unit, subject, order_id, SAME_ID_MAX).await?);
        }
        self.watched.push((unit, Watch::Key(view_key(self.tenant(), *view, key))));
        self.unless_missing((!found.is_empty()).then_some(()))?;
        Ok(found)
    }

    /// Looks through every window, newest first, until `limit` rows are found.
    async fn walk(
        &mut self,
        unit: Unit,
        subject: &Subject,
        order_id: &OrderId,
        limit: usize,
    ) -> Result<Vec<OrderRow>, ReadError> {
        let read = Read::WithId { subject, bucket: unit.bucket(), span: None, order_id: order_id.as_str(), limit };
        let (newest, mut found) = (Direction::NewestFirst, Vec::new());
        let Some(windows) = self.windows(unit, subject.lane()) else { return Ok(found) };
        let mut place = Some(windows.first(&Span::ALL.start(newest), Span::ALL, newest));
        let out_before = self.missing.len();
        while let Some(window) = place.and_then(|place| windows.get(place)) {
            let statement = Statement::over(window, read, BYTES_MAX);
            found.extend(self.ask(unit, &statement, &self.patience.clone()).await?);
            if found.len() >= limit || self.missing.len() > out_before {
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
        let statement = Statement::index(subject, bucket, order_id.as_str(), SAME_ID_MAX, BYTES_MAX);
        let rows = self.ask(Unit::of(StreamKind::Derived, bucket), &statement, patience).await?;
        entries.extend(rows.into_iter().map(|row| (row.customer_id().to_owned(), row.ordered_at())));
        Ok(entries)
    }

    /// What the index will have of an order id, from every shard that may have stored such an order.
    pub(super) async fn everywhere(&mut self, subject: &Subject, order_id: &OrderId) -> Result<Entries, ReadError> {
        let statement = Statement::times(subject, order_id.as_str(), SAME_ID_MAX, BYTES_MAX);
        let (all, known) = (self.map.shards(), Agreement::Known);
        let read = self.shards.read_together(all, &self.missing, &statement, &self.patience, known).await?;
        let mut entries = Entries::new();
        for (shard, answer) in read.answers {
            let rows = self.note(statement.stream().on(shard), answer)?;
            entries.extend(rows.into_iter().map(|row| (row.customer_id().to_owned(), row.ordered_at())));
        }
        Ok(entries)
    }

    /// Reads the partition that holds a short range of time.
    async fn within(
        &mut self,
        unit: Unit,
        subject: &Subject,
        order_id: &OrderId,
        span: Span,
    ) -> Result<Vec<OrderRow>, ReadError> {
        let Some(windows) = self.windows(unit, subject.lane()) else { return Ok(Vec::new()) };
        let (bucket, order_id) = (unit.bucket(), order_id.as_str());
        let read = Read::WithId { subject, bucket, span: Some(span), order_id, limit: SAME_ID_MAX };
        let statement = Statement::over(windows.partition(span.from), read, BYTES_MAX);
        self.ask(unit, &statement, &self.patience.clone()).await
    }

    /// Asks the shard that has a unit. One that is out is noted and gives nothing.
    async fn ask(
        &mut self,
        unit: Unit,
        statement: &Statement<'_>,
        patience: &Patience,
    ) -> Result<Vec<OrderRow>, ReadError> {
        if self.missing.contains(&self.map.shard(unit.stream(), unit.bucket())) {
            // It has used up its time.
            return Ok(Vec::new());
        }
        match self.shards.read_unit(unit, statement, patience, &mut Places::default()).await {
            Ok(UnitRows { rows, seen, .. }) => {
                for (shard, position) in seen {
                    self.read_at.note(unit.stream().on(shard), position);
                    self.seen.entry(unit).or_default().insert(shard);
                }
                Ok(rows.facts)
            }
            Err(ReadError::Shard(error)) if error.is_outage() => {
                self.miss(&error);
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
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

    /// The windows of a unit's table, as the shard has them that the map names: those of another one are no others but in how they are cut.
    fn windows(&mut self, unit: Unit, lane: Lane) -> Option<Arc<Windows>> {
        let shard = self.shards.get(self.map.shard(unit.stream(), unit.bucket()));
        shard.map(|shard| shard.windows(lane)).map_err(|error| self.miss(&error)).ok()
    }

    pub(super) fn miss(&mut self, error: &ShardError) {
        error.log();
        self.missing.push(error.shard());
    }
}
