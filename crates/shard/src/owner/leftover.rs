//! Rows of a unit that are nobody's: what a move that was turned back has copied here, or what a shard had that owned it once.

use forebay_model::{Bucket, Lane, StreamKind};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use crate::sum_table::SumTable;

/// The tables that have rows of buckets of a kind of streams, each with its key, and the lane that they are counted for.
pub(crate) fn tables(stream: StreamKind) -> Vec<(&'static str, Vec<&'static str>, Option<Lane>)> {
    let of_order = vec!["bucket", "tenant", "order_id", "customer_id"];
    let beside = match stream {
        StreamKind::Logged => vec![("order_time", of_order.clone(), None), ("order_awaited", of_order, None)],
        StreamKind::Derived => {
            let sums = SumTable::of(Lane::Views).into_iter();
            sums.map(|sums| (sums.name, sums.of.split(", ").collect(), None)).collect()
        }
    };
    stream.lanes().map(|lane| (lane.table(), lane.identity().to_vec(), Some(lane))).chain(beside).collect()
}

/// Deletes whatever is here of a bucket. To be called in the transaction that takes the control frame which says so.
pub(crate) async fn delete(
    connection: &mut PgConnection,
    stream: StreamKind,
    bucket: Bucket,
) -> Result<(), sqlx::Error> {
    for (table, _, lane) in tables(stream) {
        let delete = format!("delete from {table} where bucket = $1");
        let gone = sqlx::query(AssertSqlSafe(delete)).bind(bucket.number().cast_signed());
        let gone = gone.execute(&mut *connection).await?.rows_affected();
        count(connection, lane, gone).await?;
    }
    Ok(())
}

/// Whether anything is here of a bucket, or parked.
pub(crate) async fn is_any(
    connection: &mut PgConnection,
    stream: StreamKind,
    bucket: Bucket,
) -> Result<bool, sqlx::Error> {
    let here = tables(stream).into_iter().map(|(table, ..)| format!("exists (select from {table} where bucket = $1)"));
    let here: Vec<String> = here.collect();
    let sql = format!("select {} or exists (select from parked where bucket = $1 and stream = $2)", here.join(" or "));
    let is_any = sqlx::query_scalar(AssertSqlSafe(sql)).bind(bucket.number().cast_signed()).bind(stream.as_str());
    is_any.fetch_one(connection).await
}

/// How many rows of a lane moves have brought, and how many were deleted because they were nobody's any more.
pub async fn rows_moved(connection: &mut PgConnection, lane: Lane) -> Result<(u64, u64), sqlx::Error> {
    const SQL: &str =
        "select coalesce(max(rows_copied), 0), coalesce(max(rows_cleaned), 0) from lane_tally where lane = $1";
    let (copied, cleaned): (i64, i64) = sqlx::query_as(SQL).bind(lane.as_str()).fetch_one(connection).await?;
    Ok((copied.cast_unsigned(), cleaned.cast_unsigned()))
}

/// Counts rows that were deleted.
pub(crate) async fn count(connection: &mut PgConnection, lane: Option<Lane>, rows: u64) -> Result<(), sqlx::Error> {
    const SQL: &str = "update lane_tally set rows_cleaned = rows_cleaned + $1 where lane = $2";
    let Some(lane) = lane.filter(|_| rows > 0) else { return Ok(()) };
    sqlx::query(SQL).bind(rows.cast_signed()).bind(lane.as_str()).execute(connection).await?;
    Ok(())
}
