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
            NewState::Owned { inherits: None } => {
                self.state.owns() || (is_same && matches!(self.state, State::Released { .. }))
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ownership::{MoveId, Unit};
    use crate::{Bucket, Epoch, Incarnation, Lane, StreamKind};
    use proptest::prelude::*;

    const OTHER: ShardId = ShardId(1);

    fn here() -> Sums {
        let mut sums = Sums::default();
        sums.add(Lane::Orders, 7);
        sums
    }

    fn change() -> impl Strategy<Value = Change> {
        let inherits = |sums| Some(Inheritance { sums, origins: [(OTHER, Tenure::since(at(3)))].into() });
        let state = proptest::sample::select(vec![
            NewState::Receiving { from: OTHER },
            NewState::Copying { to: OTHER },
            NewState::Awaiting { from: OTHER },
            NewState::Released { to: OTHER },
            NewState::Owned { inherits: None },
            NewState::Owned { inherits: inherits(here()) },
            NewState::Owned { inherits: inherits(Sums::default()) },
            NewState::Cleaned { to: OTHER },
        ]);
        (1u64..12, 1u64..4, state).prop_map(|(epoch, of, state)| {
            let unit = Unit::of(StreamKind::Logged, Bucket::new(0).unwrap());
            Change { unit, epoch: Epoch(epoch), of: MoveId(Epoch(of)), state }
        })
    }

    fn at(seq: u64) -> Position {
        Position { incarnation: Incarnation::new(1), seq }
    }

    proptest! {
        /// Whatever a log holds: what a shard says changes only to a higher epoch, and what was taken once is late from then on.
        #[test]
        fn frames_are_taken_once_and_only_to_higher_epochs(is_owner in any::<bool>(), changes in proptest::collection::vec(change(), 1..20)) {
            let mut ownership = if is_owner { Ownership::first(Epoch(1), at(0)) } else { Ownership::default() };
            for (change, seq) in changes.iter().zip(1..) {
                let before = ownership.clone();
                match before.take(change, at(seq), here) {
                    Taken::Late => prop_assert!(change.epoch <= before.epoch),
                    Taken::Unfit => prop_assert!(change.epoch > before.epoch),
                    Taken::Refused(refused) => {
                        let expected = Ownership { refused: Some(change.epoch), ..before };
                        prop_assert_eq!(&refused, &expected);
                        ownership = refused;
                    }
                    Taken::Changed(next, duty) => {
                        prop_assert!(next.epoch > before.epoch);
                        prop_assert_eq!(next.state, change.state.state());
                        prop_assert_eq!(next.take(change, at(seq + 1), here), Taken::Late);
                        // Rows are never thrown away by an owner, and only what owns has decided what was parked.
                        prop_assert!(duty != Duty::DeleteRows || !before.state.owns());
                        prop_assert!(duty != Duty::DecideParked || (next.state.owns() && !before.state.owns()));
                        ownership = next;
                    }
                }
            }
        }
    }

    #[test]
    fn a_target_with_other_rows_refuses_and_stays_where_it_is() {
        let awaiting = Ownership {
            state: State::Awaiting { from: OTHER },
            epoch: Epoch(8),
            of: Some(MoveId(Epoch(7))),
            ..Ownership::default()
        };
        let inherits = Some(Inheritance { sums: here(), origins: [(OTHER, Tenure::since(at(3)))].into() });
        let unit = Unit::of(StreamKind::Logged, Bucket::new(0).unwrap());
        let owned = Change { unit, epoch: Epoch(10), of: MoveId(Epoch(7)), state: NewState::Owned { inherits } };
        let refused = Ownership { refused: Some(Epoch(10)), ..awaiting.clone() };
        assert_eq!(awaiting.take(&owned, at(5), Sums::default), Taken::Refused(refused));
        let Taken::Changed(owner, Duty::DecideParked) = awaiting.take(&owned, at(5), here) else { panic!("not taken") };
        assert_eq!((owner.state, owner.tenure), (State::Owned, Some(Tenure::since(at(5)))));
        assert_eq!(owner.origins, [(OTHER, Tenure::since(at(3)))].into());
    }
}
