//! What a control frame does: in the transaction that moves the position over it, and only to a higher epoch.

use crate::ownership::{Change, Inheritance, NewState, Ownership, State, Sums, Tenure};
use crate::{Position, ShardId};

/// What a control frame has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Nothing: its epoch is not higher than what the shard knows already.
    Late,
    /// Nothing, and somebody should look: no mover appends it behind what this log has said of the unit before.
    Unfit,
    /// It would have made this shard the owner, but what is here is not what the source had. The unit stays where it is, and says
    /// so; a mover turns the move back.
    Refused(Ownership),
    /// This is what the shard says of the unit from here on, and what the same transaction must do besides.
    Changed(Ownership, Duty),
}

/// What a writer has to do in the transaction in which it takes a control frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Nothing.
    Nothing,
    /// Whatever is here of the unit's rows is deleted: leftovers. Parked rows stay.
    DeleteRows,
    /// What is parked is decided, in its order.
    DecideParked,
    /// What was decided here since it owned the unit is taken back, and parked in the order of the log: it turns out that it was
    /// not to own it. Its rows are those whose place is in this log; its dead letters are those of this tenure.
    ParkDecided,
}

impl Ownership {
    /// Takes a control frame that stands at the position `at` of the log. `sums` says what the unit's rows come to here, in
    /// the same transaction; it is asked only where that matters.
    pub fn take(&self, change: &Change, at: Position, sums: impl FnOnce() -> Sums) -> Taken {
        if change.epoch <= self.epoch {
            return Taken::Late;
        }
        if !self.fits(change) {
            return Taken::Unfit;
        }
        let mut next = Self {
            state: change.state.state(),
            epoch: change.epoch,
            of: Some(change.of),
            refused: None,
            ..self.clone()
        };
        let duty = match &change.state {
            NewState::Receiving { .. } => Duty::DeleteRows,
            // It refused to own it, was set back, and did own it when it took the same frames again.
            NewState::Awaiting { .. } if self.state.owns() => {
                next.tenure = None;
                Duty::ParkDecided
            }
            NewState::Copying { .. } | NewState::Awaiting { .. } | NewState::Cleaned { .. } => Duty::Nothing,
            NewState::Released { .. } => {
                next.tenure = self.tenure.map(|tenure| Tenure { left: Some(at), ..tenure });
                Duty::Nothing
            }
            // It never ceased to own it.
            NewState::Owned { inherits: None } if self.state.owns() => Duty::Nothing,
            NewState::Owned { inherits } => {
                if let Some(Inheritance { sums: expected, origins }) = inherits {
                    if *expected != sums() {
                        return Taken::Refused(Self { refused: Some(change.epoch), ..self.clone() });
                    }
                    next.origins.clone_from(origins);
                }
                next.tenure = Some(Tenure::since(at));
                Duty::DecideParked
            }
        };
        Taken::Changed(next, duty)
    }

    /// Whether a log whose frames stand in the order in which they were decided can say this of the unit now.
    fn fits(&self, change: &Change) -> bool {
        let is_same = self.is_of(change.of);
        let is_gone = matches!(self.state, State::None | State::Released { .. } | State::Cleaned { .. });
        match change.state {
            NewState::Receiving { .. } => is_gone,
            NewState::Copying { .. } => self.state == State::Owned,
            NewState::Awaiting { .. } => is_same && (self.state.takes_copies() || self.state == State::Owned),
            NewState::Released { .. } => is_same && self.state.owns(),
            NewState::Owned { inherits: Some(_) } => is_same && matches!(self.state, State::Awaiting { .. }),
            NewState::Owned { inherits: None } => self.state.owns() || (is_same && matches!(self.state, State::Released { .. })),
            NewState::Cleaned { .. } => is_gone || (is_same && self.state.takes_copies()),
        }
    }

    /// What the target of a move takes over from this shard, which is its source and has released the unit, where its rows come to
    /// `sums` in the same snapshot. `None` where it has not.
    pub fn bequest(&self, here: ShardId, sums: Sums) -> Option<Inheritance> {
        let State::Released { .. } = self.state else { return None };
        let mut origins = self.origins.clone();
        origins.insert(here, self.tenure?);
        Some(Inheritance { sums, origins })
    }
}
