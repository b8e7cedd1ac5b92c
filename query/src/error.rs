//! How reads fail, and what the client is told.

use std::sync::Arc;

use forebay_model::event::BadEvents;
use forebay_model::{Position, ShardId, StreamId};
use forebay_service::Problem;
use forebay_shard::ShardError;
use forebay_shard::read::KeyRef;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Shard(#[from] ShardError),
    #[error("stream {stream} has not come to frame {}", .target.seq)]
    NotYetVisible { stream: StreamId, target: Position },
    #[error("shard {source_shard} has not derived what follows from its frame {} for shard {target}", .logged.seq)]
    NotYetDerived { source_shard: ShardId, logged: Position, target: ShardId },
    #[error("shards {0:?} are not available")]
    Missing(Vec<ShardId>),
    /// A unit has changed hands between two reads that go together: both are to be made again.
    #[error("units have moved while they were read")]
    Moved,
    #[error("{0}")]
    Told(Problem),
    /// Of a read that several requests have waited for.
    #[error(transparent)]
    Shared(Arc<Self>),
}

impl ReadError {
    /// What happened to an order cannot be read.
    pub(crate) fn unreadable(order: KeyRef<'_>, error: &BadEvents) -> Self {
        tracing::error!(order = %order.to_key(), %error, "what happened to an order cannot be read");
        Self::Told(Problem::internal("what happened to an order cannot be read; it was logged"))
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
                let shard = error.shard();
                if matches!(error, ShardError::Slow { .. } | ShardError::Busy { .. }) {
                    Self::shard_unavailable(format!("{error}; ask again")).with("shards", [shard.0])
                } else if error.is_outage() {
                    shards_unavailable(&[shard])
                } else {
                    Self::internal("a shard refused the read; it was logged")
                }
            }
            ReadError::Missing(shards) => shards_unavailable(shards),
            ReadError::Moved => Self::shard_unavailable("orders are on their way between shards: ask again"),
            ReadError::NotYetVisible { stream, target } => Self::not_yet_visible(format!(
                "what the receipt names is not yet in shard {}: its {} stream has not come to frame {}",
                stream.shard, stream.kind, target.seq
            ))
            .with("shard", stream.shard.0),
            ReadError::NotYetDerived { source_shard, logged, target } => Self::not_yet_visible(format!(
                "what follows from the receipt is not yet in shard {target}: shard {source_shard} has not derived past \
                 frame {} for it",
                logged.seq
            ))
            .with("shard", source_shard.0),
        }
    }
}

/// 503 that names the shards.
fn shards_unavailable(shards: &[ShardId]) -> Problem {
    let numbers: Vec<u16> = shards.iter().map(|shard| shard.0).collect();
    let names = numbers.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let shards = if numbers.len() == 1 { "shard" } else { "shards" };
    Problem::shard_unavailable(format!("{shards} {names} cannot be read now")).with("shards", numbers)
}
