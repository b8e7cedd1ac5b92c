//! Control frames that say what the shard is to units, in the transaction that moves the position over them.

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

    /// What it does.
    async fn taken(&self, connection: &mut PgConnection) -> Result<Taken, AttemptError> {
        let sums = if expects_rows(&self.change) {
            step(Step::Control, crate::owner::sums::sums(connection, self.stream(), self.bucket())).await?
        } else {
            Sums::default()
        };
        Ok(self.before.take(&self.change, self.at, || sums))
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

/// Takes control frames, of a unit each, and does what has to be done besides; only what was parked is for the caller to decide.
pub(crate) async fn take(
    connection: &mut PgConnection,
    stream: StreamKind,
    owners: &[OwnerFrame],
) -> Result<Vec<Taken>, AttemptError> {
    let (mut taken, mut said) = (Vec::with_capacity(owners.len()), Vec::new());
    for owner in owners {
        let now = owner.taken(connection).await?;
        if let Taken::Refused(next) | Taken::Changed(next, _) = &now {
            said.push((owner.bucket(), next.clone()));
        }
        taken.push(now);
    }
    if !said.is_empty() {
        step(Step::Control, units::write(connection, stream, &said)).await?;
        step(Step::Control, units::mark(connection, stream, true)).await?;
    }
    for (owner, taken) in owners.iter().zip(&taken) {
        if let Taken::Changed(next, duty) = taken {
            owner.count(connection, next).await?;
            owner.fulfil(connection, *duty).await?;
        }
    }
    Ok(taken)
}

/// Whether a shard owns a unit by it only if its rows come to what the frame says.
pub(crate) fn expects_rows(change: &Change) -> bool {
    matches!(change.state, NewState::Owned { inherits: Some(Inheritance { .. }) })
}

/// Whether what was parked is to be decided.
pub(crate) fn decides_parked(taken: &Taken) -> bool {
    matches!(taken, Taken::Changed(_, Duty::DecideParked))
}
