//! Why frames were not committed.

use std::fmt::Display;

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

impl AttemptError {
    /// A row cannot be read that was found whole, or that the shard has taken: what follows from it would be left out.
    pub(crate) fn unreadable(why: &impl Display) -> Self {
        Self::Violated(format!("a row that is stored cannot be read: {why}"))
    }

    /// What failed at a step failed at the rows of that lane.
    pub(crate) fn at_rows_of(self, lane: Lane) -> Self {
        match self {
            Self::Step(error) => Self::Rows { lane, error },
            Self::Fenced | Self::Violated(_) | Self::Rows { .. } => self,
        }
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
