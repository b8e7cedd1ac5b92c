//! What a mover sees of a unit on a shard: what the shard says of it and what its rows come to, in one snapshot; and the rows themselves.

use std::collections::BTreeMap;

use bytes::Bytes;
use forebay_model::ownership::{DailySums, Ownership, Unit};
use forebay_model::tuple::{COPY_HEADER, COPY_TRAILER};
use forebay_model::{Bucket, Incarnation, Lane, Position, ShardId, ShardMap, StreamId, StreamKind};
use futures::TryStreamExt;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::sums::{self, daily_sums};
use super::{leftover, units};
use crate::place;
use crate::position::StreamPosition;

/// A unit on a shard, at one moment.
#[derive(Clone, Debug)]
pub struct UnitSnapshot {
    /// How far the stream of its facts is committed.
    pub position: Position,
    /// What the shard says of it.
    pub ownership: Ownership,
    /// Whether none of its rows are there, visible or not, and none are parked.
    pub is_empty: bool,
    /// What its rows come to, per lane and day.
    pub sums: DailySums,
}

/// What a shard says of some units of a kind of streams, at one moment.
#[derive(Clone, Debug)]
pub struct UnitsSaid {
    /// How far the stream of their facts is committed.
    pub position: Position,
    /// What the shard says of each, and whether none of its rows are there or parked, where that was asked.
    pub units: BTreeMap<Bucket, (Ownership, Option<bool>)>,
}

/// A row of a unit, as it stands in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitRow {
    /// Of a logged lane, the place where it was first stored.
    pub place: Option<(ShardId, Position)>,
    /// Its COPY tuple.
    pub tuple: Bytes,
}

/// A row to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashedRow {
    /// The hash of all that it says.
    pub hash: i64,
    /// The row.
    pub row: UnitRow,
}

/// What a lane has of a unit and a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitDay {
    /// The lane.
    pub lane: Lane,
    /// The day, counted from 1970.
    pub day: i32,
    /// Its rows.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl UnitSnapshot {
    /// Reads it. `None` where the stream was never read there.
    pub async fn read(
        connection: &mut PgConnection,
        map: &ShardMap,
        here: ShardId,
        unit: Unit,
    ) -> Result<Option<Self>, sqlx::Error> {
        let (stream, bucket) = (unit.stream(), unit.bucket());
        let mut snapshot = connection.begin().await?;
        snapshot.execute("set transaction isolation level repeatable read, read only").await?;
        let Some(position) = StreamPosition::of(&mut snapshot, stream).await? else { return Ok(None) };
        let position = position.position;
        let said = units::said(&mut snapshot, stream, bucket).await?;
        let ownership = said.unwrap_or_else(|| units::at_first(map, here, bucket, position.incarnation));
        let is_empty = !leftover::is_any(&mut snapshot, stream, bucket).await?;
        let sums = if is_empty { DailySums::default() } else { daily_sums(&mut snapshot, stream, bucket).await? };
        snapshot.commit().await?;
        Ok(Some(Self { position, ownership, is_empty, sums }))
    }
}

impl UnitsSaid {
    /// Reads it; of those units that `asks` says, also whether anything is there. `None` where the stream was never read there.
    pub async fn read(
        connection: &mut PgConnection,
        map: &ShardMap,
        of: StreamId,
        buckets: &[Bucket],
        asks: impl Fn(Bucket, &Ownership) -> bool + Send,
    ) -> Result<Option<Self>, sqlx::Error> {
        let StreamId { kind: stream, shard: here } = of;
        let mut snapshot = connection.begin().await?;
        snapshot.execute("set transaction isolation level repeatable read, read only").await?;
        let Some(position) = StreamPosition::of(&mut snapshot, stream).await? else { return Ok(None) };
        let position = position.position;
        let mut said = units::all_said(&mut snapshot, stream, buckets).await?;
        let mut units = BTreeMap::new();
        for &bucket in buckets {
            let first = || units::at_first(map, here, bucket, position.incarnation);
            let ownership = said.remove(&bucket).unwrap_or_else(first);
            let is_empty = if asks(bucket, &ownership) {
                Some(!leftover::is_any(&mut snapshot, stream, bucket).await?)
            } else {
                None
            };
            units.insert(bucket, (ownership, is_empty));
        }
        snapshot.commit().await?;
        Ok(Some(Self { position, units }))
    }
}

/// What a kind of streams has of a bucket, by lane and day, in order.
pub async fn days_of(
    connection: &mut PgConnection,
    stream: StreamKind,
    bucket: Bucket,
) -> Result<Vec<UnitDay>, sqlx::Error> {
    let mut days = Vec::new();
    for lane in stream.lanes() {
        let (day, table) = (sums::day(lane), lane.table());
        let sql = format!(
            "select {day} as day, count(*), sum(pg_column_size(t.*))::int8 from {table} t where bucket = $1 group by day order by day"
        );
        let rows = sqlx::query_as(AssertSqlSafe(sql)).bind(bucket.number().cast_signed());
        let rows: Vec<(i32, i64, i64)> = rows.fetch_all(&mut *connection).await?;
        let of_lane = |(day, rows, bytes): (i32, i64, i64)| UnitDay {
            lane,
            day,
            rows: rows.cast_unsigned(),
            bytes: bytes.cast_unsigned(),
        };
        days.extend(rows.into_iter().map(of_lane));
    }
    Ok(days)
}

/// How many rows a kind of streams has of a bucket.
pub async fn count_of(connection: &mut PgConnection, stream: StreamKind, bucket: Bucket) -> Result<u64, sqlx::Error> {
    let counts = stream.lanes().map(|lane| format!("(select count(*) from {} where bucket = $1)", lane.table()));
    let sql = format!("select {}", counts.collect::<Vec<_>>().join(" + "));
    let count: i64 =
        sqlx::query_scalar(AssertSqlSafe(sql)).bind(bucket.number().cast_signed()).fetch_one(connection).await?;
    Ok(count.cast_unsigned())
}

/// The rows of a lane of a bucket, of the days from one to another (counted from 1970).
///
/// # Errors
/// What the server says. The connection must not be used again then: it may be off by an answer.
pub async fn rows_between(
    connection: &mut PgConnection,
    lane: Lane,
    bucket: Bucket,
    (first, last): (i32, i32),
) -> Result<Vec<UnitRow>, sqlx::Error> {
    let bytes = copied_out(connection, &statement(lane, bucket, None, (first, last), "")).await?;
    let mut rows = Vec::new();
    let is_whole = each_row(lane, &bytes, false, |_, _, row| rows.push(row));
    is_whole.map(|()| rows).ok_or_else(not_as_it_should_be)
}

/// The rows of a lane of a bucket, of these days (counted from 1970), by their identities.
///
/// # Errors
/// What the server says. The connection must not be used again then: it may be off by an answer.
pub async fn rows_of_days(
    connection: &mut PgConnection,
    lane: Lane,
    bucket: Bucket,
    days: &[i32],
) -> Result<BTreeMap<Vec<u8>, HashedRow>, sqlx::Error> {
    let (Some(&first), Some(&last)) = (days.iter().min(), days.iter().max()) else { return Ok(BTreeMap::new()) };
    let list = days.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let only = format!(" and {} = any ('{{{list}}}'::int4[])", sums::day(lane));
    let hash = sums::hash(lane);
    let bytes = copied_out(connection, &statement(lane, bucket, Some(&hash), (first, last), &only)).await?;
    let mut rows = BTreeMap::new();
    let is_whole = each_row(lane, &bytes, true, |identity, hash, row| {
        rows.insert(identity, HashedRow { hash, row });
    });
    is_whole.map(|()| rows).ok_or_else(not_as_it_should_be)
}

async fn copied_out(connection: &mut PgConnection, statement: &str) -> Result<Bytes, sqlx::Error> {
    let mut bytes = Vec::new();
    let mut stream = connection.copy_out_raw(statement).await?;
    while let Some(chunk) = stream.try_next().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

fn not_as_it_should_be() -> sqlx::Error {
    sqlx::Error::Decode("a COPY is not as it should be".into())
}

/// Hash and place first, and behind them the columns of the lane. The bounds of time leave out every partition that has nothing of these days.
fn statement(lane: Lane, bucket: Bucket, hash: Option<&str>, (first, last): (i32, i32), only: &str) -> String {
    let columns = lane.columns().iter().map(|column| column.name).collect::<Vec<_>>().join(", ");
    let (table, time) = (lane.table(), lane.columns()[lane.spec().time].name);
    let hash = hash.map_or_else(String::new, |hash| format!("{hash}, "));
    let (places, join) = if place::is_kept(lane) {
        ("l.shard, l.incarnation, place_seq, ", "join place_log l on l.number = place_log")
    } else {
        ("", "")
    };
    let at = |day: i32| format!("to_timestamp({}::float8)", i64::from(day) * 86_400);
    format!(
        "copy (select {hash}{places}{columns} from {table} {join} where bucket = {} and {time} >= {} and {time} < {}{only}) \
         to stdout (format binary)",
        bucket.number(),
        at(first),
        at(last + 1)
    )
}

/// Takes a COPY apart: gives of each row its identity, its hash, where there is one, and the row. `None` where it is not a valid one.
fn each_row(lane: Lane, bytes: &Bytes, is_hashed: bool, mut take: impl FnMut(Vec<u8>, i64, UnitRow)) -> Option<()> {
    let mut at = COPY_HEADER.len();
    let is_placed = place::is_kept(lane);
    while bytes.get(at..at + COPY_TRAILER.len())? != COPY_TRAILER {
        at += size_of::<i16>();
        let hash = if is_hashed { i64::from_be_bytes(field(bytes, &mut at)?.as_ref().try_into().ok()?) } else { 0 };
        let place = if is_placed { Some(place(bytes, &mut at)?) } else { None };
        let begin = at;
        let mut identity = Vec::new();
        for number in 0..lane.columns().len() {
            let value = field(bytes, &mut at)?;
            if is_hashed && number < lane.identity().len() {
                identity.extend((value.len() as u32).to_be_bytes());
                identity.extend_from_slice(&value);
            }
        }
        let mut tuple = (lane.columns().len() as i16).to_be_bytes().to_vec();
        tuple.extend_from_slice(&bytes[begin..at]);
        take(identity, hash, UnitRow { place, tuple: tuple.into() });
    }
    Some(())
}

/// Where a row was first stored: the shard, and the position in its log.
fn place(bytes: &Bytes, at: &mut usize) -> Option<(ShardId, Position)> {
    let shard = ShardId(u16::from_be_bytes(field(bytes, at)?.as_ref().try_into().ok()?));
    let incarnation = Incarnation::new(u64::from_be_bytes(field(bytes, at)?.as_ref().try_into().ok()?));
    let seq = u64::from_be_bytes(field(bytes, at)?.as_ref().try_into().ok()?);
    Some((shard, Position { incarnation, seq }))
}

/// The field at a place, which moves behind it.
fn field(bytes: &Bytes, at: &mut usize) -> Option<Bytes> {
    let length = bytes.get(*at..*at + size_of::<i32>())?;
    let length = usize::try_from(i32::from_be_bytes(length.try_into().ok()?)).ok()?;
    let begin = *at + size_of::<i32>();
    let end = begin.checked_add(length).filter(|&end| end <= bytes.len())?;
    *at = end;
    Some(bytes.slice(begin..end))
}
