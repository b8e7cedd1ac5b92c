//! How far each stream of a shard has been read, and what became of the rows.

use forebay_model::{Epoch, Incarnation, Lane, PerLane, Position, StreamKind, Timestamp};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use crate::timestamptz::Timestamptz;

/// What became of rows. For every lane and shard: rows in the log up to the position = all of these together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Stored: new facts.
    pub stored: u64,
    /// Dropped, because the same fact was there.
    pub duplicate: u64,
    /// Put into the dead letters.
    pub dead: u64,
    /// Sent on to another shard, which decides them.
    pub sent_on: u64,
    /// Waiting to be decided or sent on.
    pub parked: u64,
}

/// A stream's row in `stream_position`, with the tallies of its lanes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPosition {
    /// Which stream.
    pub stream: StreamKind,
    /// The last frame that is committed.
    pub position: Position,
    /// That frame's id; empty before the first one.
    pub frame_id: String,
    /// What became of the rows up to there. Nothing of the other stream's lanes.
    pub rows: PerLane<Tally>,
    /// When it last moved, by the shard's clock.
    pub committed_at: Timestamp,
    /// The shard map's epoch that the last frame was made under.
    pub epoch: Epoch,
}

impl Tally {
    /// How many rows those are.
    pub fn rows(self) -> u64 {
        self.stored + self.duplicate + self.dead + self.sent_on + self.parked
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { stored, duplicate, dead, sent_on, parked } = self;
        write!(f, "{stored} stored, {duplicate} duplicate and {dead} dead")?;
        if sent_on + parked > 0 { write!(f, ", {sent_on} sent on and {parked} parked") } else { Ok(()) }
    }
}

impl std::ops::Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            stored: self.stored + other.stored,
            duplicate: self.duplicate + other.duplicate,
            dead: self.dead + other.dead,
            sent_on: self.sent_on + other.sent_on,
            parked: self.parked + other.parked,
        }
    }
}

const SQL: &str = "select stream, incarnation, stream_seq, frame_id, committed_at, epoch, \
    lane, coalesce(rows_stored, 0) as rows_stored, coalesce(rows_duplicate, 0) as rows_duplicate, \
    coalesce(rows_dead, 0) as rows_dead, coalesce(rows_sent_on, 0) as rows_sent_on, coalesce(rows_parked, 0) as rows_parked \
    from stream_position left join lane_tally using (stream) order by stream";

impl StreamPosition {
    /// The position of every stream that has one. In a transaction of level `repeatable read` it belongs to the same
    /// snapshot as whatever else is read there.
    pub async fn all(connection: &mut PgConnection) -> Result<Vec<Self>, sqlx::Error> {
        let mut positions: Vec<Self> = Vec::new();
        for row in sqlx::query(SQL).fetch_all(connection).await? {
            // Streams and lanes of a later version are not known here.
            let Ok(stream) = row.try_get::<&str, _>("stream")?.parse() else { continue };
            if positions.last().is_none_or(|last| last.stream != stream) {
                positions.push(Self::from_row(stream, &row)?);
            }
            let lane = row.try_get::<Option<&str>, _>("lane")?.and_then(|lane| lane.parse::<Lane>().ok());
            if let (Some(lane), Some(position)) = (lane, positions.last_mut()) {
                position.rows[lane] = tally(&row)?;
            }
        }
        Ok(positions)
    }

    /// The position of one stream; `None` where nothing was ever read.
    pub async fn of(connection: &mut PgConnection, stream: StreamKind) -> Result<Option<Self>, sqlx::Error> {
        let positions = Self::all(connection).await?;
        Ok(positions.into_iter().find(|position| position.stream == stream))
    }

    fn from_row(stream: StreamKind, row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            stream,
            position: Position {
                incarnation: Incarnation::new(unsigned(row, "incarnation")?),
                seq: unsigned(row, "stream_seq")?,
            },
            frame_id: row.try_get("frame_id")?,
            rows: PerLane::default(),
            committed_at: row.try_get::<Timestamptz, _>("committed_at")?.0,
            epoch: Epoch(unsigned(row, "epoch")?),
        })
    }
}

/// The counters of a row.
pub(crate) fn tally(row: &PgRow) -> Result<Tally, sqlx::Error> {
    Ok(Tally {
        stored: unsigned(row, "rows_stored")?,
        duplicate: unsigned(row, "rows_duplicate")?,
        dead: unsigned(row, "rows_dead")?,
        sent_on: unsigned(row, "rows_sent_on")?,
        parked: unsigned(row, "rows_parked")?,
    })
}

fn unsigned(row: &PgRow, column: &str) -> Result<u64, sqlx::Error> {
    row.try_get::<i64, _>(column).map(i64::cast_unsigned)
}
