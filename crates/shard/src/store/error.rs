//! What can go wrong between a stream and its shard.

use forebay_model::Lane;

use crate::connection::session::ConnectError;
use crate::connection::sqlstate::ErrorClass;
use crate::pool::ShardError;
use crate::store::step::StepError;

/// The shard did not do what it was asked. Nothing is lost: it is to be tried again, with a new [`super::StreamStore`].
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct StoreError {
    class: ErrorClass,
    reason: String,
}

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

impl StoreError {
    /// What kind of failure it was.
    pub fn class(&self) -> ErrorClass {
        self.class
    }

    pub(crate) fn position_gone() -> Self {
        Self { class: ErrorClass::Internal, reason: "the position vanished while it was read".to_owned() }
    }
}

impl CommitError {
    pub(crate) fn violated(what: impl Into<String>) -> Self {
        Self::Violated(what.into())
    }
}

impl StepError {
    pub(crate) fn connect(error: &ConnectError) -> Self {
        Self { step: super::Step::Connect, class: error.class(), sqlstate: None, reason: error.to_string() }
    }
}

impl From<ConnectError> for StoreError {
    fn from(error: ConnectError) -> Self {
        StepError::connect(&error).into()
    }
}

impl From<ShardError> for StoreError {
    fn from(error: ShardError) -> Self {
        Self { class: ErrorClass::Connection, reason: error.to_string() }
    }
}

impl From<StepError> for StoreError {
    fn from(error: StepError) -> Self {
        Self { class: error.class, reason: error.to_string() }
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
