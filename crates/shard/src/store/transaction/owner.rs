//! A control frame that says what the shard is to a unit, in the transaction that moves the position over it.

use forebay_model::ownership::{Change, Duty, Inheritance, NewState, Ownership, Sums, Taken};
use forebay_model::{Bucket, PerLane, Position, StreamKind};
use sqlx::postgres::PgConnection;

use super::sums;
use crate::frame::IndexedFrame;
use crate::owner::{leftover, parked, units};
use crate::step::{Step, step};
use crate::store::error::AttemptError;

/// Such a frame, and what it meets.
#[derive(Clone, Debug)]
pub(crate) struct OwnerFrame {
    pub(crate) change: Change,
    pub(crate) at: Position,
    /// What the shard says of the unit before it.
    pub(crate) before: Ownership,
    /// What is parked of it, as frames at this one's place, and how much that is.
    pub(crate) parked: Vec<IndexedFrame>,
    pub(crate) counts: PerLane<u64>,
}

impl OwnerFrame {
    pub(crate) fn bucket(&self) -> Bucket {
        self.change.unit.bucket()
    }

    fn stream(&self) -> StreamKind {
        self.change.unit.stream()
    }

    /// Takes it, and does what has to be done besides; only what was parked is for the caller to decide.
    pub(crate) async fn take(&self, connection: &mut PgConnection) -> Result<Taken, AttemptError> {
        let expects = matches!(self.change.state, NewState::Owned { inherits: Some(Inheritance { .. }) });
        let sums = if expects {
            step(Step::Control, crate::owner::sums::sums(connection, self.stream(), self.bucket())).await?
        } else {
            Sums::default()
        };
        let taken = self.before.take(&self.change, self.at, || sums);
        match &taken {
            Taken::Late | Taken::Unfit => {}
            Taken::Refused(next) => self.write(connection, next).await?,
            Taken::Changed(next, duty) => {
                self.write(connection, next).await?;
                self.count(connection, next).await?;
                self.fulfil(connection, *duty).await?;
            }
        }
        Ok(taken)
    }

    async fn write(&self, connection: &mut PgConnection, next: &Ownership) -> Result<(), AttemptError> {
        let said = [(self.bucket(), next.clone())];
        step(Step::Control, units::write(connection, self.stream(), &said)).await?;
        Ok(step(Step::Control, units::mark(connection, self.stream(), true)).await?)
    }

    /// What orders come to is kept by the shard that owns them.
    async fn count(&self, connection: &mut PgConnection, next: &Ownership) -> Result<(), AttemptError> {
        if self.stream() == StreamKind::Logged && self.before.state.owns() != next.state.owns() {
            let counted = sums::count_unit(connection, self.bucket(), next.state.owns());
            step(Step::Control, counted).await?;
        }
        Ok(())
    }

    async fn fulfil(&self, connection: &mut PgConnection, duty: Duty) -> Result<(), AttemptError> {
        match duty {
            Duty::Nothing => {}
            Duty::DeleteRows => {
                step(Step::Control, leftover::delete(connection, self.stream(), self.bucket())).await?;
            }
            Duty::DecideParked => {
                let taken = parked::take_out(connection, self.stream(), self.bucket(), &self.counts, false);
                if !step(Step::Control, taken).await? {
                    return Err(AttemptError::Violated("the parked rows are not those that were read".to_owned()));
                }
            }
            // It needs two failures within moments of a move: nothing of it may be guessed.
            Duty::ParkDecided => {
                let unit = self.change.unit;
                return Err(AttemptError::Violated(format!("{unit:?} was decided here, and was not to be")));
            }
        }
        Ok(())
    }
}

/// Whether what was parked is to be decided.
pub(crate) fn decides_parked(taken: &Taken) -> bool {
    matches!(taken, Taken::Changed(_, Duty::DecideParked))
}
