//! What can go wrong between a stream and its shard.

use super::{Step, StepError};
use crate::connection::session::ConnectError;
use crate::connection::sqlstate::ErrorClass;
use crate::pool::ShardError;

/// The shard did not do what it was asked. Nothing is lost: it is to be tried again, with a new [`StreamStore`](crate::StreamStore).
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct StoreError {
    class: ErrorClass,
    reason: String,
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

impl StepError {
    pub(crate) fn connect(error: &ConnectError) -> Self {
        Self { step: Step::Connect, class: error.class(), sqlstate: None, reason: error.to_string() }
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
