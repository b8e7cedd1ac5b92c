//! Orders by their place: what was first stored from a stretch of a log.
//!
//! Rows of a stretch may be of any time, so every partition is asked. A statement opens, and locks, each partition that it is over,
//! with its indexes; over three years of days that would be thousands of locks. So it is over a window of time that has some
//! dozens of partitions, and the windows are read side by side.

use forebay_model::{Lane, Position, Timestamp};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::stored_order::{COLUMNS, OrderReader, StoredOrder, decided};
use crate::partition::{Span, read_ranges};
use crate::place::PlaceLog;
use crate::store::StoreError;
use crate::store::step::{Step, step};
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

/// An order with its place in the log that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedOrder {
    /// The sequence number of its frame.
    pub seq: u64,
    /// The order.
    pub order: StoredOrder,
}

/// The statement that reads a window's part of a stretch, frame by frame: at least so many orders, if there are as many, and the last
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

    /// The first of a window's orders that are of a stretch, in the order of their places: all of so many frames as have at least
    /// `limit` of them. Fewer than that are the last ones.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn stretch(
        &self,
        upto: Position,
        stretch: &Stretch,
        window: &TimeWindow,
        limit: usize,
    ) -> Result<Option<Vec<PlacedOrder>>, StoreError> {
        let mut lease = self.lease().await?;
        let found = async {
            let Some(mut snapshot) = decided(&mut lease, upto).await? else { return Ok(None) };
            let found = read(&mut snapshot, stretch, window, limit).await?;
            snapshot.commit().await?;
            Ok(Some(found))
        };
        let found = step(Step::Rows, found).await?;
        lease.done();
        Ok(found)
    }
}

async fn read(
    connection: &mut PgConnection,
    stretch: &Stretch,
    window: &TimeWindow,
    limit: usize,
) -> Result<Vec<PlacedOrder>, sqlx::Error> {
    let seq = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
    let rows = sqlx::query(AssertSqlSafe(text()))
        .bind(stretch.log.number)
        .bind(seq(stretch.behind))
        .bind(seq(stretch.upto))
        .bind(Timestamptz(window.from))
        .bind(Timestamptz(window.to))
        .bind(limit as i64)
        .fetch_all(connection)
        .await?;
    let placed = |row: &sqlx::postgres::PgRow| {
        let seq = row.try_get::<i64, _>("place_seq")?.cast_unsigned();
        Ok(PlacedOrder { seq, order: StoredOrder::from_row(row)? })
    };
    rows.iter().map(placed).collect()
}
