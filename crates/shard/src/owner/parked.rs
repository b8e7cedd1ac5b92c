//! Rows that wait: for their unit to be this shard's, or for the log of the shard that they go to.
//!
//! They are kept in the order of the log. What is sent on of a unit is all that is parked of it, and is taken out in one transaction once it is
//! acknowledged; what is decided here, because the unit is this shard's now, is decided in the transaction that makes it so, as if it had stood in the
//! log at the control frame's place: that is where it was first stored.

use bytes::Bytes;
use forebay_model::{Bucket, Claimant, Claims, Epoch, Lane, PerLane, RequestId, ShardId, StreamKind, Timestamp};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::away::{Away, Way};
use crate::dead_letter::Requests;
use crate::frame::{IndexedFrame, LogFrame, RowPosition};
use crate::timestamptz::Timestamptz;

/// The parked rows of a bucket, which another shard is to decide.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Of which bucket.
    pub bucket: Bucket,
    /// Where they go.
    pub to: ShardId,
    pub(crate) rows: Vec<ParkedRow>,
}

/// A row that is parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParkedRow {
    pub(crate) lane: Lane,
    pub(crate) epoch: Epoch,
    pub(crate) enqueued_at: Option<Timestamp>,
    pub(crate) request: Option<RequestId>,
    pub(crate) tuple: Bytes,
}

impl ParkedRow {
    /// All of a bucket, in the order of the log.
    pub(crate) async fn all(
        connection: &mut PgConnection,
        stream: StreamKind,
        bucket: Bucket,
    ) -> Result<Vec<Self>, sqlx::Error> {
        const SQL: &str = "select lane, epoch, enqueued_at, request, tuple from parked where stream = $1 and bucket = $2 \
            order by stream_seq, row_in_frame";
        let rows = sqlx::query(SQL).bind(stream.as_str()).bind(bucket.number().cast_signed());
        rows.fetch_all(connection).await?.iter().map(Self::from_row).collect()
    }

    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let lane = row.try_get::<&str, _>("lane")?.parse::<Lane>();
        let request = row.try_get::<Option<&[u8]>, _>("request")?.map(<[u8; _]>::try_from).transpose();
        Ok(Self {
            lane: lane.map_err(|error| sqlx::Error::Decode(error.into()))?,
            epoch: Epoch(row.try_get::<i64, _>("epoch")?.cast_unsigned()),
            enqueued_at: row.try_get::<Option<Timestamptz>, _>("enqueued_at")?.map(|at| at.0),
            request: request.map_err(|error| sqlx::Error::Decode(error.into()))?.map(RequestId::from_bytes),
            tuple: row.try_get::<Vec<u8>, _>("tuple")?.into(),
        })
    }

    /// Whose it is.
    pub(crate) fn claimant(&self) -> Option<Claimant> {
        self.request.map(|request| Claimant { request, letter: None })
    }
}

/// Parked rows as frames that stand at one place of the log, one for each lane, their rows numbered through.
pub(crate) fn as_frames(rows: &[ParkedRow], seq: u64) -> Vec<IndexedFrame> {
    let mut first_row = 0;
    let mut frames = Vec::new();
    for lane in Lane::ALL {
        let mut of_lane = rows.iter().filter(|row| row.lane == lane).peekable();
        let Some(&first) = of_lane.peek() else { continue };
        let (epoch, enqueued_at) = (first.epoch, first.enqueued_at);
        let (mut payload, mut claims, mut count) = (Vec::new(), Claims::default(), 0);
        for row in of_lane {
            payload.extend_from_slice(&row.tuple);
            if let Some(claimant) = row.claimant() {
                claims.push(count, claimant);
            }
            count += 1;
        }
        let (id, payload) = (String::new(), payload.into());
        let frame = LogFrame { seq, id, epoch, enqueued_at, rows: count, payload, claims, fault: None };
        frames.push(frame.indexed(lane).numbered_from(first_row));
        first_row += count;
    }
    frames
}

/// How many of them are of each lane.
pub(crate) fn counts(rows: &[ParkedRow]) -> PerLane<u64> {
    let mut counts = PerLane::default();
    for row in rows {
        counts[row.lane] += 1;
    }
    counts
}

/// Parks the rows of a batch that are not sent on. In the transaction that moves the position over them.
pub(crate) async fn park(
    connection: &mut PgConnection,
    stream: StreamKind,
    frames: &[IndexedFrame],
    away: &Away,
    requests: &Requests<'_>,
) -> Result<(), sqlx::Error> {
    const SQL: &str = "insert into parked (stream, bucket, stream_seq, row_in_frame, lane, epoch, enqueued_at, request, tuple) \
        select $1, * from unnest($2::int2[], $3::int8[], $4::int4[], $5::text[], $6::int8[], $7::timestamptz[], $8::bytea[], $9::bytea[])";
    let rows: Vec<_> = away.rows().iter().filter(|row| row.way == Way::Parked).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let frame = |place: usize| frames[place].frame();
    let request = |position: RowPosition| requests.of_row(position).map(|request| request.as_bytes().to_vec());
    let tuple = |place: usize, row: u32| {
        let entry = frames[place].tuples().entries()[row as usize];
        &frames[place].frame().payload[entry.range()]
    };
    sqlx::query(SQL)
        .bind(stream.as_str())
        .bind(rows.iter().map(|row| row.bucket.number().cast_signed()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.seq.cast_signed()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.row.cast_signed()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.lane.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| frame(row.frame).epoch.0.cast_signed()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| frame(row.frame).enqueued_at.map(Timestamptz)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| request(frames[row.frame].position_of(row.row))).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| tuple(row.frame, row.row)).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes all that is parked of a bucket out, of each lane the number in `counts`; `false` where there are others. `sent_on` says that it goes elsewhere; else it is
/// counted by what becomes of it.
pub(crate) async fn take_out(
    connection: &mut PgConnection,
    stream: StreamKind,
    bucket: Bucket,
    counts: &PerLane<u64>,
    sent_on: bool,
) -> Result<bool, sqlx::Error> {
    const DELETE: &str = "delete from parked where stream = $1 and bucket = $2";
    const COUNT: &str = "update lane_tally t set rows_parked = t.rows_parked - n.rows, \
            rows_sent_on = t.rows_sent_on + case when $3 then n.rows else 0 end \
        from unnest($1::text[], $2::int8[]) as n(lane, rows) where t.lane = n.lane";
    let deleted = sqlx::query(DELETE).bind(stream.as_str()).bind(bucket.number().cast_signed());
    let deleted = deleted.execute(&mut *connection).await?.rows_affected();
    if deleted != counts.iter().map(|(_, rows)| rows).sum::<u64>() {
        return Ok(false);
    }
    sqlx::query(COUNT)
        .bind(counts.iter().map(|(lane, _)| lane.as_str()).collect::<Vec<_>>())
        .bind(counts.iter().map(|(_, rows)| rows.cast_signed()).collect::<Vec<_>>())
        .bind(sent_on)
        .execute(connection)
        .await?;
    Ok(true)
}
