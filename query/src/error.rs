//! How reads fail, and what the client is told.

use std::sync::Arc;
use std::time::Duration;

use forebay_model::{Position, ShardId, StreamId};
use forebay_service::Problem;
use forebay_shard::{ErrorClass, Unavailable};
use tracing::{debug, error};

/// Why one shard gave no rows.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShardError {
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    #[error("shard {shard} did not answer within {} ms", .within.as_millis())]
    Slow { shard: ShardId, within: Duration },
    #[error("shard {shard} failed: {error}")]
    Failed { shard: ShardId, error: sqlx::Error },
    #[error("shard {0} is in the shard map and not in the settings")]
    Unknown(ShardId),
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Shard(#[from] ShardError),
    #[error("shard {} has not come to frame {} of lane {}", .stream.shard, .target.seq, .stream.lane)]
    NotYetVisible { stream: StreamId, target: Position },
    #[error("shards {0:?} are not available")]
    Missing(Vec<ShardId>),
    #[error("{0}")]
    Told(Problem),
    /// Of a read that several requests have waited for.
    #[error(transparent)]
    Shared(Arc<Self>),
}

impl ShardError {
    pub(crate) fn shard(&self) -> ShardId {
        match self {
            Self::Unavailable(Unavailable::Unreachable { shard, .. } | Unavailable::Busy { shard })
            | Self::Slow { shard, .. }
            | Self::Failed { shard, .. }
            | Self::Unknown(shard) => *shard,
        }
    }

    /// Its class in metrics.
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::Unavailable(Unavailable::Unreachable { .. }) => "unreachable",
            Self::Unavailable(Unavailable::Busy { .. }) => "busy",
            Self::Slow { .. } => "slow",
            Self::Failed { error, .. } => ErrorClass::of(error).as_str(),
            Self::Unknown(_) => "unknown",
        }
    }

    /// Whether the shard, and not the question, is at fault: then an answer may be given without it, if the client wants that.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Failed { error, .. } => {
                !matches!(ErrorClass::of(error), ErrorClass::Internal | ErrorClass::Data | ErrorClass::Duplicate)
            }
            Self::Unavailable(_) | Self::Slow { .. } | Self::Unknown(_) => true,
        }
    }

    /// Whether the same on a new connection may succeed at once.
    pub(crate) fn is_broken_connection(&self) -> bool {
        matches!(self, Self::Failed { error, .. } if ErrorClass::of(error).is_broken_connection())
    }

    /// Logs it, where it is handled. That a shard is down is said once, by its health; so an outage is no news here.
    pub(crate) fn log(&self) {
        let (shard, class) = (self.shard(), self.class());
        if self.is_outage() {
            debug!(%shard, class, "a shard gave no rows: {self}");
        } else {
            error!(%shard, class, "a shard refused a read: {self}");
        }
    }
}

impl From<Problem> for ReadError {
    fn from(problem: Problem) -> Self {
        Self::Told(problem)
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        Self::from(&error)
    }
}

impl From<&ReadError> for Problem {
    fn from(error: &ReadError) -> Self {
        match error {
            ReadError::Told(problem) => problem.clone(),
            ReadError::Shared(error) => Self::from(error.as_ref()),
            ReadError::Shard(error) => {
                error.log();
                if error.is_outage() {
                    shards_unavailable(&[error.shard()])
                } else {
                    Self::internal("a shard refused the read; it was logged")
                }
            }
            ReadError::Missing(shards) => shards_unavailable(shards),
            ReadError::NotYetVisible { stream, target } => Self::not_yet_visible(format!(
                "what the receipt names is not yet in shard {}: lane {} has not come to frame {}",
                stream.shard, stream.lane, target.seq
            ))
            .with("shard", stream.shard.0),
        }
    }
}

/// 503 that names the shards.
fn shards_unavailable(shards: &[ShardId]) -> Problem {
    let numbers: Vec<u16> = shards.iter().map(|shard| shard.0).collect();
    let names = numbers.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let detail = match numbers.len() {
        1 => format!("shard {names} cannot be read now; with partial=true lists leave it out"),
        _ => format!("shards {names} cannot be read now; with partial=true lists leave them out"),
    };
    Problem::shard_unavailable(detail).with("shards", numbers)
}
