//! What can stop a session. Nothing is lost by any of it: the position says where to go on.

use forebay_api::streams::HaltCause;
use forebay_log::{LogError, ReadError, Unreadable};
use forebay_model::Position;
use forebay_shard::{CommitError, ErrorClass, StoreError};

/// Why a lane does not go on as it did.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The shard does not do what it is asked.
    #[error("the shard: {0}")]
    Shard(#[from] StoreError),
    /// The log does not give frames.
    #[error("the log: {0}")]
    Log(ReadError),
    /// The log is not the one that was read so far, or is damaged. Trying again changes nothing: somebody has to decide.
    #[error("{0}")]
    Loss(ReadError),
    /// Something that must always hold does not, so nothing is committed. Trying again changes nothing: somebody has to look.
    #[error("behind frame {seq}: {what}")]
    Violated {
        /// The last frame that is committed.
        seq: u64,
        /// What does not hold.
        what: String,
    },
    /// Another writer has moved the position.
    #[error("another writer has moved the position")]
    Fenced,
}

impl Failure {
    /// Every name that [`Failure::class`] gives.
    pub(crate) fn classes() -> impl Iterator<Item = &'static str> {
        ErrorClass::ALL.iter().map(|class| class.as_str()).chain(["log", "loss", "violated", "fenced"])
    }

    /// Its name in metrics.
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::Shard(error) => error.class().as_str(),
            Self::Log(_) => "log",
            Self::Loss(_) => "loss",
            Self::Violated { .. } => "violated",
            Self::Fenced => "fenced",
        }
    }
}

impl Failure {
    /// What somebody has to decide, where trying again changes nothing.
    pub(crate) fn halts(&self) -> Option<HaltCause> {
        match self {
            Self::Loss(ReadError::Unreadable { why: Unreadable::Format { .. }, .. }) => Some(HaltCause::UnknownFormat),
            Self::Loss(ReadError::Unreadable { .. }) => Some(HaltCause::Damage),
            Self::Loss(_) => Some(HaltCause::Loss),
            Self::Violated { .. } => Some(HaltCause::Violation),
            Self::Shard(_) | Self::Log(_) | Self::Fenced => None,
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

impl Failure {
    /// Of a commit behind a position.
    pub(crate) fn of_commit(error: CommitError, before: Position) -> Self {
        match error {
            CommitError::Fenced => Self::Fenced,
            CommitError::Violated(what) => Self::Violated { seq: before.seq, what },
            CommitError::Store(error) => Self::Shard(error),
        }
    }
}
