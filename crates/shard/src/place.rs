//! Where in the log a row was first stored.
//!
//! Every row of a logged lane keeps its place: which log (a making of a shard's logged stream), and the sequence number of its
//! frame. The tuples of the log do not have it, because where a frame will lie is not known when they are made: the writer
//! appends it to each as it is sent. Whatever becomes of a fact later (a duplicate, a requeued letter, a copy), the first place
//! stays. What is owed to somebody who reads rows in the order of the log is found by it where the log is trimmed.

use forebay_model::{Incarnation, Lane, ShardId, StreamKind};
use sqlx::Row;
use sqlx::postgres::PgConnection;

/// A log that rows of a shard name as theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceLog {
    /// By what number they name it. Later makings of a stream have larger ones.
    pub number: i16,
    /// Whose logged stream it is.
    pub shard: ShardId,
    /// Which making of it.
    pub incarnation: Incarnation,
}

/// The place of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The number of its log.
    pub(crate) log: i16,
    /// Its frame.
    pub(crate) seq: u64,
}

/// Whether the rows of a lane keep their place.
pub(crate) const fn is_kept(lane: Lane) -> bool {
    matches!(lane.kind(), StreamKind::Logged)
}

impl PlaceLog {
    /// The logs of a shard, in the order of their numbers.
    pub(crate) async fn all(connection: &mut PgConnection) -> Result<Vec<Self>, sqlx::Error> {
        const SQL: &str = "select number, shard, incarnation from place_log order by number";
        let log = |row: &sqlx::postgres::PgRow| {
            Ok(Self {
                number: row.try_get("number")?,
                shard: ShardId(row.try_get::<i16, _>("shard")?.cast_unsigned()),
                incarnation: Incarnation::new(row.try_get::<i64, _>("incarnation")?.cast_unsigned()),
            })
        };
        sqlx::query(SQL).fetch_all(connection).await?.iter().map(log).collect()
    }

    /// The number of a log. One that has none gets the next.
    pub(crate) async fn number(
        connection: &mut PgConnection,
        shard: ShardId,
        incarnation: Incarnation,
    ) -> Result<i16, sqlx::Error> {
        const SQL: &str = "with known as (select number from place_log where shard = $1 and incarnation = $2), \
            new as (insert into place_log (number, shard, incarnation) \
                select coalesce(max(number), 0) + 1, $1, $2 from place_log having not exists (select from known) \
                on conflict do nothing returning number) \
            select number from known union all select number from new";
        loop {
            let number = sqlx::query_scalar(SQL)
                .bind(shard.0.cast_signed())
                .bind(incarnation.get().cast_signed())
                .fetch_optional(&mut *connection);
            // There is none where another writer has given the same number just now: that one is seen next time.
            if let Some(number) = number.await? {
                return Ok(number);
            }
        }
    }
}

impl Place {
    /// Its columns, as they follow those of the lane.
    pub(crate) const COLUMNS: &str = "place_log, place_seq";

    /// Writes a tuple that was found before, with these columns behind its own.
    pub(crate) fn push_tuple(self, tuple: &[u8], out: &mut Vec<u8>) {
        let Some((fields, rest)) = tuple.split_first_chunk() else { return };
        out.extend_from_slice(&(i16::from_be_bytes(*fields) + 2).to_be_bytes());
        out.extend_from_slice(rest);
        out.extend_from_slice(&(size_of::<i16>() as i32).to_be_bytes());
        out.extend_from_slice(&self.log.to_be_bytes());
        out.extend_from_slice(&(size_of::<u64>() as i32).to_be_bytes());
        out.extend_from_slice(&self.seq.to_be_bytes());
    }
}
