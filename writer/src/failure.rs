//! What can stop a session. Nothing is lost by any of it: the position says where to go on.

use forebay_log::{LogError, ReadError};
use forebay_shard::{CommitError, StoreError};

/// Why a lane does not go on as it did.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The shard does not do what it is asked.
    #[error("the shard: {0}")]
    Shard(#[from] StoreError),
    /// The log does not give frames.
    #[error("the log: {0}")]
    Log(ReadError),
    /// The log is not the one that was read so far. Trying again changes nothing: somebody has to decide.
    #[error("{0}")]
    Loss(ReadError),
    /// Another writer has moved the position.
    #[error("another writer has moved the position")]
    Fenced,
}

impl Failure {
    /// Its name in metrics.
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::Shard(error) => error.class().as_str(),
            Self::Log(_) => "log",
            Self::Loss(_) => "loss",
            Self::Fenced => "fenced",
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        if error.is_loss() { Self::Loss(error) } else { Self::Log(error) }
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        Self::Log(error.into())
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Fenced => Self::Fenced,
            CommitError::Store(error) => Self::Shard(error),
        }
    }
}
