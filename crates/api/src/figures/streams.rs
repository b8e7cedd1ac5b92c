//! How each stream of each shard stands: the answer of the writer's `GET /v1/streams`.

use std::collections::BTreeMap;

use forebay_model::{Lane, Position, ShardId, StreamKind};
use serde::{Deserialize, Serialize};

/// The whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Streams {
    /// Every stream of every shard of that writer.
    pub streams: Vec<StreamReport>,
}

/// One stream of a shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StreamReport {
    /// Which.
    #[cfg_attr(test, schemars(with = "String"))]
    pub stream: StreamKind,
    /// Of which shard.
    #[cfg_attr(test, schemars(with = "u16"))]
    pub shard: ShardId,
    /// What its writer does.
    pub state: DrainState,
    /// Whether this writer leads it.
    pub leader: bool,
    /// Why it is not draining.
    pub reason: Option<String>,
    /// What somebody has to decide, where it is halted; null where it is not.
    pub halted_by: Option<HaltCause>,
    /// Since when it is in this state.
    pub since: String,
    /// The last frame that is committed; null before the first commit.
    pub position: Option<FrameAt>,
    /// What became of the rows of each of its lanes up to there.
    #[cfg_attr(test, schemars(with = "BTreeMap<String, Rows>"))]
    pub lanes: BTreeMap<Lane, Rows>,
    /// When it was committed.
    pub committed_at: Option<String>,
    /// Frames behind the position.
    pub lag_frames: Option<u64>,
    /// The age of the oldest of them.
    pub lag_seconds: f64,
    /// The stream in the log, as it was last seen.
    pub log: Option<LogReport>,
    /// Of a logged stream, how far what follows from it is derived for each shard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub derived: Vec<DerivedReport>,
}

/// How far what follows from a logged stream is derived for one shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DerivedReport {
    /// The shard that the facts go to.
    #[cfg_attr(test, schemars(with = "u16"))]
    pub target: ShardId,
    /// The frame of the logged stream up to which everything is derived.
    pub through: FrameAt,
    /// How many committed frames of the logged stream are behind that; null where it is of another making of the stream, so that
    /// everything is owed.
    pub frames_owed: Option<u64>,
    /// Since when the shard is owed more than what is just on its way; null where it is not.
    pub owed_since: Option<String>,
}

/// What the writer of a stream does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum DrainState {
    /// The log or the shard has not been reached yet.
    Starting,
    /// Another writer leads; this one waits.
    Standby,
    /// It reads and commits.
    Draining,
    /// Something failed; it tries again.
    Retrying,
    /// Trying again changes nothing; somebody has to decide.
    Halted,
}

/// What a stream stands still before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HaltCause {
    /// The log has lost something: it is not the one that was read so far, or frames of it are gone.
    Loss,
    /// A frame is not as it was published.
    Damage,
    /// A frame is of a format that this version does not know. Nothing is lost.
    UnknownFormat,
    /// What was to be committed would not add up: something else changes the tables. Nothing is lost.
    Violation,
}

/// A frame of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FrameAt {
    /// The stream's.
    pub incarnation: u64,
    /// The frame's sequence number.
    pub seq: u64,
}

/// What became of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
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

impl DrainState {
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
