//! One answer of the server, waited for within a bound.
//!
//! `statement_timeout` does not end a COPY that waits for its client, and the client library sets no keepalive: a peer that has
//! gone silent is noticed here or nowhere.

mod error;

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;

use crate::connection::sqlstate::{ErrorClass, sqlstate};

pub use error::StoreError;

/// How long the server may take for one step. A batch is a few MiB.
const STEP_MAX: Duration = Duration::from_secs(8);

/// What was being done. Only what happens to the rows themselves can be the rows' fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Connect,
    Lead,
    Partitions,
    Merge,
    Position,
    Control,
    Staging,
    Rows,
    Letters,
    Commit,
}

/// A step that failed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", step.doing())]
pub(crate) struct StepError {
    pub(crate) step: Step,
    pub(crate) class: ErrorClass,
    pub(crate) sqlstate: Option<String>,
    pub(crate) reason: String,
}

impl Step {
    const fn doing(self) -> &'static str {
        match self {
            Self::Connect => "connecting",
            Self::Lead => "taking the lead",
            Self::Partitions => "making partitions",
            Self::Merge => "merging partitions",
            Self::Position => "at the position",
            Self::Control => "taking a control frame",
            Self::Staging => "making the staging table",
            Self::Rows => "storing rows",
            Self::Letters => "writing dead letters",
            Self::Commit => "committing",
        }
    }
}

impl StepError {
    pub(crate) fn new(step: Step, error: &sqlx::Error) -> Self {
        let reason = error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
        Self { step, class: ErrorClass::of(error), sqlstate: sqlstate(error), reason }
    }

    /// Whether the rows that were sent are at fault, and how.
    pub(crate) fn fault_of_rows(&self) -> Option<Fault> {
        match self.class {
            _ if self.step != Step::Rows => None,
            ErrorClass::Duplicate => Some(Fault::Duplicate),
            ErrorClass::Data => Some(Fault::Data),
            ErrorClass::Resources => Some(Fault::TooMuch),
            _ => None,
        }
    }
}

/// How rows are at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An identity is already there.
    Duplicate,
    /// Some row is refused for its data.
    Data,
    /// They need more memory or locks than the server has, for instance for facts of very many days.
    TooMuch,
}

/// Waits for one step.
pub(crate) async fn step<T>(step: Step, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StepError> {
    within(STEP_MAX, step, work).await
}

/// Waits for one step that may take longer or less than usual.
pub(crate) async fn within<T>(
    bound: Duration,
    step: Step,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StepError> {
    match timeout(bound, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(StepError::new(step, &error)),
        Err(_) => {
            let reason = format!("no answer within {} s", bound.as_secs_f32());
            Err(StepError { step, class: ErrorClass::Timeout, sqlstate: None, reason })
        }
    }
}
