//! Why frames were not committed.

use forebay_model::Lane;

use crate::step::{StepError, StoreError};

/// Frames were not committed, or may not have been.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The position is not where it was read: another writer was here. Start over from the stored position.
    #[error("another writer has moved the position")]
    Fenced,
    /// Something does not hold that always must. Nothing was committed, and trying again will not help: somebody has to look.
    #[error("what must always hold does not: {0}")]
    Violated(String),
    /// The shard failed. Whether the frames are committed, the stored position says.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a transaction was not committed, or may not have been.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttemptError {
    /// The position is not where it was read: another writer was here.
    #[error("another writer has moved the position")]
    Fenced,
    /// The sums would be wrong.
    #[error("what must always hold does not: {0}")]
    Violated(String),
    /// It failed at the rows of a lane.
    #[error("{error}")]
    Rows { lane: Lane, error: StepError },
    #[error(transparent)]
    Step(#[from] StepError),
}

impl CommitError {
    pub(crate) fn violated(what: impl Into<String>) -> Self {
        Self::Violated(what.into())
    }
}

impl From<StepError> for CommitError {
    fn from(error: StepError) -> Self {
        Self::Store(error.into())
    }
}

impl From<AttemptError> for CommitError {
    fn from(error: AttemptError) -> Self {
        match error {
            AttemptError::Fenced => Self::Fenced,
            AttemptError::Violated(what) => Self::Violated(what),
            AttemptError::Rows { error, .. } | AttemptError::Step(error) => error.into(),
        }
    }
}
