//! How far each lane of a shard has come, and what became of the rows.

use forebay_model::{Epoch, Incarnation, Lane, Position, Timestamp};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use crate::timestamptz::Timestamptz;

/// What became of rows. For every lane and shard: rows in the log up to the position = stored + duplicate + dead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Stored: new facts.
    pub stored: u64,
    /// Dropped, because the same fact was there.
    pub duplicate: u64,
    /// Put into the dead letters.
    pub dead: u64,
}

/// A lane's row in `lane_position`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanePosition {
    /// Which lane.
    pub lane: Lane,
    /// The last frame that is committed.
    pub position: Position,
    /// That frame's id; empty before the first one.
    pub frame_id: String,
    /// What became of the rows up to there.
    pub rows: Tally,
    /// When it last moved, by the shard's clock.
    pub committed_at: Timestamp,
    /// The shard map's epoch that the last frame was made under.
    pub epoch: Epoch,
}

impl Tally {
    /// How many rows those are.
    pub fn rows(self) -> u64 {
        self.stored + self.duplicate + self.dead
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} stored, {} duplicate and {} dead", self.stored, self.duplicate, self.dead)
    }
}

impl std::ops::Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            stored: self.stored + other.stored,
            duplicate: self.duplicate + other.duplicate,
            dead: self.dead + other.dead,
        }
    }
}

const COLUMNS: &str = "select lane, incarnation, stream_seq, frame_id, rows_stored, rows_duplicate, rows_dead, \
    committed_at, epoch from lane_position";

impl LanePosition {
    /// The position of every lane that has one. In a transaction of level `repeatable read` it belongs to the same
    /// snapshot as whatever else is read there.
    pub async fn all(connection: &mut PgConnection) -> Result<Vec<Self>, sqlx::Error> {
        let rows = sqlx::query(COLUMNS).fetch_all(connection).await?;
        // Lanes of a later version are none of ours.
        let known = rows.iter().filter(|row| row.try_get("lane").is_ok_and(|lane: &str| lane.parse::<Lane>().is_ok()));
        known.map(Self::from_row).collect()
    }

    /// The position of one lane; `None` where nothing was ever read.
    pub async fn of(connection: &mut PgConnection, lane: Lane) -> Result<Option<Self>, sqlx::Error> {
        let positions = Self::all(connection).await?;
        Ok(positions.into_iter().find(|position| position.lane == lane))
    }

    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let unsigned = |column: &str| row.try_get::<i64, _>(column).map(i64::cast_unsigned);
        let lane: &str = row.try_get("lane")?;
        Ok(Self {
            lane: lane.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
            position: Position {
                incarnation: Incarnation::new(unsigned("incarnation")?),
                seq: unsigned("stream_seq")?,
            },
            frame_id: row.try_get("frame_id")?,
            rows: Tally {
                stored: unsigned("rows_stored")?,
                duplicate: unsigned("rows_duplicate")?,
                dead: unsigned("rows_dead")?,
            },
            committed_at: row.try_get::<Timestamptz, _>("committed_at")?.0,
            epoch: Epoch(unsigned("epoch")?),
        })
    }
}
