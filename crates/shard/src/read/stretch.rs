//! Orders by their place, or by that of what happened to them: what was first stored from a stretch of a log.
//!
//! Rows of a stretch may be of any time, so every partition is asked. A statement opens, and locks, each partition that it is over,
//! with its indexes; over three years of days that would be thousands of locks. So it is over a window of time that has some
//! dozens of partitions, and the windows are read side by side.

use std::collections::BTreeMap;

use forebay_model::{Bucket, Lane, Position, Timestamp};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};

use super::eventful::{self, OrderRef};
use super::stored_order::{COLUMNS, OrderReader, StoredOrder, decided, find};
use crate::partition::{Span, read_ranges};
use crate::place::PlaceLog;
use crate::step::{Step, StoreError, step};
use crate::timestamptz::Timestamptz;

/// The partitions of a window.
const PARTITIONS: usize = 32;

/// Frames of one log, whose rows are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The log.
    pub log: PlaceLog,
    /// The frame before the first.
    pub behind: u64,
    /// The last; beyond the end of the log, where it is read to its end.
    pub upto: u64,
}

/// A window of time that few partitions are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWindow {
    from: Timestamp,
    /// Exclusive.
    to: Timestamp,
}

/// A part of what was stored of a stretch, which is read by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StretchPart {
    /// The orders of a window of time.
    Orders(TimeWindow),
    /// The orders that events are about.
    Events,
}

/// Orders of a part, in the order of their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedOrders {
    /// The orders.
    pub orders: Vec<PlacedOrder>,
    /// The frame up to which these are all.
    pub read_to: u64,
    /// Whether none follow.
    pub is_all: bool,
}

/// An order with its place in the log that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedOrder {
    /// The sequence number of its frame, or of that of an event of it.
    pub seq: u64,
    /// The order.
    pub order: StoredOrder,
}

/// The statement that reads a window's part of a stretch, frame by frame: at least as many orders as the limit says, if there are as many, and the last
/// frame whole. Parameters: log, behind, upto, from, to, limit.
pub fn text() -> String {
    format!(
        "select {COLUMNS}, orders.place_seq from {} where place_log = $1 and place_seq > $2 and place_seq <= $3 \
            and ordered_at >= $4 and ordered_at < $5 order by place_seq fetch first ($6) rows with ties",
        Lane::Orders.table()
    )
}

impl OrderReader {
    /// The logs that orders were first stored from, in the order of their numbers, and the windows of time that hold every order.
    /// As all of these: in a snapshot in which everything that was logged up to a position is decided, and `None` where the shard is
    /// not as far as that.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn places(&self, upto: Position) -> Result<Option<(Vec<PlaceLog>, Vec<TimeWindow>)>, StoreError> {
        let mut lease = self.lease().await?;
        let found = async {
            let Some(mut snapshot) = decided(&mut lease, upto).await? else { return Ok(None) };
            let logs = PlaceLog::all(&mut snapshot).await?;
            let ranges = read_ranges(&mut snapshot, Lane::Orders.table()).await?;
            snapshot.commit().await?;
            let windows = ranges.windows(PARTITIONS).into_iter();
            let instant = Timestamp::from_unix_us;
            let windows = windows.map(|Span { from, to }| TimeWindow { from: instant(from), to: instant(to) });
            Ok(Some((logs, windows.collect())))
        };
        let found = step(Step::Rows, found).await?;
        lease.done();
        Ok(found)
    }

    /// The first orders of a part that are of a stretch, in the order of their places: of as many frames as have at least `limit` rows.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn stretch(
        &self,
        upto: Position,
        stretch: &Stretch,
        part: &StretchPart,
        limit: usize,
    ) -> Result<Option<PlacedOrders>, StoreError> {
        let mut lease = self.lease().await?;
        let found = async {
            let Some(mut snapshot) = decided(&mut lease, upto).await? else { return Ok(None) };
            let found = match part {
                StretchPart::Orders(window) => orders(&mut snapshot, stretch, window, limit).await?,
                StretchPart::Events => orders_of_events(&mut snapshot, stretch, limit).await?,
            };
            snapshot.commit().await?;
            Ok(Some(found))
        };
        let found = step(Step::Rows, found).await?;
        lease.done();
        Ok(found)
    }
}

async fn orders(
    connection: &mut PgConnection,
    stretch: &Stretch,
    window: &TimeWindow,
    limit: usize,
) -> Result<PlacedOrders, sqlx::Error> {
    let rows = sqlx::query(AssertSqlSafe(text()))
        .bind(stretch.log.number)
        .bind(sequence(stretch.behind))
        .bind(sequence(stretch.upto))
        .bind(Timestamptz(window.from))
        .bind(Timestamptz(window.to))
        .bind(limit as i64)
        .fetch_all(connection)
        .await?;
    let placed = |row: &PgRow| Ok(PlacedOrder { seq: place(row)?, order: StoredOrder::from_row(row)? });
    let orders: Vec<PlacedOrder> = rows.iter().map(placed).collect::<Result<_, sqlx::Error>>()?;
    let read_to = orders.last().map_or(stretch.behind, |last| last.seq);
    Ok(PlacedOrders { is_all: orders.len() < limit, orders, read_to })
}

/// Each order has the place of the first of its events here; those that are not stored yet have none.
async fn orders_of_events(
    connection: &mut PgConnection,
    stretch: &Stretch,
    limit: usize,
) -> Result<PlacedOrders, sqlx::Error> {
    const SQL: &str = "select bucket, tenant, order_id, customer_id, place_seq from order_events \
        where place_log = $1 and place_seq > $2 and place_seq <= $3 order by place_seq fetch first ($4) rows with ties";
    let rows = sqlx::query(SQL)
        .bind(stretch.log.number)
        .bind(sequence(stretch.behind))
        .bind(sequence(stretch.upto))
        .bind(limit as i64)
        .fetch_all(&mut *connection)
        .await?;
    let mut first = BTreeMap::new();
    for row in &rows {
        first.entry(OrderRef::from_row(row)?).or_insert(place(row)?);
    }
    let (named, places): (Vec<OrderRef>, Vec<u64>) = first.into_iter().unzip();
    let mut placed = BTreeMap::new();
    for (at, order) in eventful::orders(connection, &named).await? {
        let seq = placed.entry(order).or_insert(places[at]);
        *seq = places[at].min(*seq);
    }
    let wanted: Vec<_> = placed.keys().cloned().collect();
    let seq_of = |order: &StoredOrder| {
        let bucket = Bucket::new(order.bucket)?;
        placed.get(&(bucket, order.key.clone())).copied()
    };
    let mut orders: Vec<PlacedOrder> = find(connection, &wanted)
        .await?
        .into_iter()
        .filter_map(|order| Some(PlacedOrder { seq: seq_of(&order)?, order }))
        .collect();
    orders.sort_by_key(|placed| placed.seq);
    let read_to = rows.last().map_or(Ok(stretch.behind), place)?;
    Ok(PlacedOrders { orders, read_to, is_all: rows.len() < limit })
}

fn sequence(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn place(row: &PgRow) -> Result<u64, sqlx::Error> {
    Ok(row.try_get::<i64, _>("place_seq")?.cast_unsigned())
}
