//! What the rows of a unit come to, in SQL: two shards are compared by it, whatever versions of Postgres they have, so it is made of nothing whose text
//! or hash depends on one.

use forebay_model::lane::ColumnType;
use forebay_model::ownership::{DailySums, Sum, Sums};
use forebay_model::{Bucket, Lane, StreamKind};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

/// What all rows of a bucket come to.
pub(crate) async fn sums(
    connection: &mut PgConnection,
    stream: StreamKind,
    bucket: Bucket,
) -> Result<Sums, sqlx::Error> {
    Ok(daily_sums(connection, stream, bucket).await?.total())
}

/// What the rows of a bucket come to, per lane and day. A row is its fact: neither what is derived of it, nor where in a log it lies.
pub async fn daily_sums(
    connection: &mut PgConnection,
    stream: StreamKind,
    bucket: Bucket,
) -> Result<DailySums, sqlx::Error> {
    let mut sums = DailySums::default();
    for lane in stream.lanes() {
        let rows = sqlx::query(AssertSqlSafe(statement(lane))).bind(bucket.number().cast_signed());
        for row in rows.fetch_all(&mut *connection).await? {
            let (day, rows, hashes): (i32, i64, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let checksum: i128 = hashes.parse().map_err(|_| sqlx::Error::Decode("a sum is no number".into()))?;
            // Modulo 2^64, of a sum that is signed.
            let sum = Sum { rows: rows.cast_unsigned(), checksum: checksum.rem_euclid(1 << 64) as u64 };
            sums.add(lane, day, sum);
        }
    }
    Ok(sums)
}

/// By day: how many rows, and the sum of their hashes as text, since it may have more than 64 bits.
fn statement(lane: Lane) -> String {
    let (day, hash, table) = (day(lane), hash(lane), lane.table());
    format!("select {day} as day, count(*), sum({hash})::text from {table} where bucket = $1 group by day")
}

/// The day of a row, counted from 1970.
pub(crate) fn day(lane: Lane) -> String {
    let time = lane.columns()[lane.spec().time].name;
    format!("floor(extract(epoch from {time}) / 86400)::int4")
}

/// The hash of all that a row says.
pub(crate) fn hash(lane: Lane) -> String {
    let text = |column: &forebay_model::lane::Column| match column.kind {
        ColumnType::Timestamptz => format!("(extract(epoch from {0}) * 1000000)::int8", column.name),
        _ => column.name.to_owned(),
    };
    let columns = lane.columns().iter().map(text).collect::<Vec<_>>().join(", ");
    format!("('x' || left(md5(row({columns})::text), 16))::bit(64)::int8")
}
