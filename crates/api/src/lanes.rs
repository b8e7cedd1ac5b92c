//! How each lane of each shard stands: the answer of the writer's `GET /v1/lanes`.

use forebay_model::{Lane, Position, ShardId};
use serde::{Deserialize, Serialize};

/// The whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lanes {
    /// Every lane of every shard of that writer.
    pub lanes: Vec<LaneReport>,
}

/// One lane of a shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaneReport {
    /// Which.
    pub lane: Lane,
    /// Of which shard.
    pub shard: ShardId,
    /// What its writer does.
    pub state: LaneState,
    /// Whether this writer leads it.
    pub leader: bool,
    /// Why it is not draining.
    pub reason: Option<String>,
    /// Since when it is in this state.
    pub since: String,
    /// The last frame that is committed; null before the first commit.
    pub position: Option<FrameAt>,
    /// What became of the rows up to there.
    pub rows: Rows,
    /// When it was committed.
    pub committed_at: Option<String>,
    /// Frames behind the position.
    pub lag_frames: Option<u64>,
    /// The age of the oldest of them.
    pub lag_seconds: f64,
    /// Its stream, as it was last seen.
    pub log: Option<LogReport>,
}

/// What the writer of a lane does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LaneState {
    /// The log or the shard has not been reached yet.
    Starting,
    /// Another writer leads; this one waits.
    Standby,
    /// It reads and commits.
    Draining,
    /// Something failed; it tries again.
    Retrying,
    /// The log is not the one that was read so far; somebody has to decide.
    Halted,
}

/// A frame of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameAt {
    /// The stream's.
    pub incarnation: u64,
    /// The frame's sequence number.
    pub seq: u64,
}

/// What became of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// They are stored.
    pub stored: u64,
    /// They were stored before.
    pub duplicate: u64,
    /// They are dead letters.
    pub dead: u64,
}

/// A stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogReport {
    /// Which.
    pub incarnation: u64,
    /// The first frame that it holds.
    pub first_seq: u64,
    /// The last one.
    pub last_seq: u64,
    /// Bytes of its frames.
    pub bytes: u64,
    /// The most bytes that it takes.
    pub bytes_max: u64,
}

impl LaneState {
    /// Its name in the answer.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Standby => "standby",
            Self::Draining => "draining",
            Self::Retrying => "retrying",
            Self::Halted => "halted",
        }
    }
}

impl From<Position> for FrameAt {
    fn from(position: Position) -> Self {
        Self { incarnation: position.incarnation.get(), seq: position.seq }
    }
}
