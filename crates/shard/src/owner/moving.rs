//! What a mover sees of a unit on a shard: what the shard says of it and what its rows come to, in one snapshot; and the rows themselves.

use std::collections::BTreeMap;

use bytes::Bytes;
use forebay_model::ownership::{DailySums, Ownership, Unit};
use forebay_model::tuple::{COPY_HEADER, COPY_TRAILER};
use forebay_model::{Bucket, Incarnation, Lane, Position, ShardId, ShardMap};
use futures::TryStreamExt;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};

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

/// A row of a unit, as it stands in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitRow {
    /// The hash of all that it says.
    pub hash: i64,
    /// Of a logged lane, the place where it was first stored.
    pub place: Option<(ShardId, Position)>,
    /// Its COPY tuple.
    pub tuple: Bytes,
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

/// The rows of a lane of a bucket, of these days (counted from 1970), by their identities.
///
/// # Errors
/// What the server says. The connection must not be used again then: it may be off by an answer.
pub async fn rows_of_days(
    connection: &mut PgConnection,
    lane: Lane,
    bucket: Bucket,
    days: &[i32],
) -> Result<BTreeMap<Vec<u8>, UnitRow>, sqlx::Error> {
    let mut bytes = Vec::new();
    let mut stream = connection.copy_out_raw(&statement(lane, bucket, days)).await?;
    while let Some(chunk) = stream.try_next().await? {
        bytes.extend_from_slice(&chunk);
    }
    let bytes = Bytes::from(bytes);
    let rows = rows(lane, &bytes);
    rows.ok_or_else(|| sqlx::Error::Decode("a COPY is not as it should be".into()))
}

/// Hash and place first, and behind them the columns of the lane.
fn statement(lane: Lane, bucket: Bucket, days: &[i32]) -> String {
    let columns = lane.columns().iter().map(|column| column.name).collect::<Vec<_>>().join(", ");
    let (table, hash, day) = (lane.table(), sums::hash(lane), sums::day(lane));
    let (places, join) = if place::is_kept(lane) {
        ("l.shard, l.incarnation, place_seq, ", "join place_log l on l.number = place_log")
    } else {
        ("", "")
    };
    let days = days.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!(
        "copy (select {hash}, {places}{columns} from {table} {join} where bucket = {} and {day} = any ('{{{days}}}'::int4[])) \
         to stdout (format binary)",
        bucket.number()
    )
}

/// Takes a COPY apart.
fn rows(lane: Lane, bytes: &Bytes) -> Option<BTreeMap<Vec<u8>, UnitRow>> {
    let mut at = COPY_HEADER.len();
    let mut rows = BTreeMap::new();
    let is_placed = place::is_kept(lane);
    while bytes.get(at..at + COPY_TRAILER.len())? != COPY_TRAILER {
        at += size_of::<i16>();
        let hash = i64::from_be_bytes(field(bytes, &mut at)?.as_ref().try_into().ok()?);
        let place = if is_placed { Some(place(bytes, &mut at)?) } else { None };
        let begin = at;
        let mut identity = Vec::new();
        for number in 0..lane.columns().len() {
            let value = field(bytes, &mut at)?;
            if number < lane.identity().len() {
                identity.extend((value.len() as u32).to_be_bytes());
                identity.extend_from_slice(&value);
            }
        }
        let mut tuple = (lane.columns().len() as i16).to_be_bytes().to_vec();
        tuple.extend_from_slice(&bytes[begin..at]);
        rows.insert(identity, UnitRow { hash, place, tuple: tuple.into() });
    }
    Some(rows)
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
