//! Why what follows from orders does not get to a target.

use forebay_log::{LogError, PublishError, ReadError};
use forebay_model::{Position, ShardId};
use forebay_shard::StoreError;

/// What keeps a worker from going on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The target's stream does not take a frame.
    #[error("the derived stream of shard {target} does not take frames: {cause}")]
    Away { target: ShardId, cause: PublishError },
    /// The log does not answer.
    #[error("the log: {0}")]
    Log(#[from] LogError),
    /// The logged stream cannot be read on.
    #[error("the log: {0}")]
    Read(#[from] ReadError),
    /// No frame comes, although it is committed.
    #[error("the log gives no frame behind {0}")]
    Silent(Position),
    /// The shard of the orders does not answer.
    #[error("the shard: {0}")]
    Shard(#[from] StoreError),
    /// The shard of the orders is not where its writer left it.
    #[error("the shard was set back, or another writer leads")]
    SetBack,
    /// The target's stream is not the one that was looked at.
    #[error("the derived stream of shard {0} has become another one")]
    Changed(ShardId),
}
