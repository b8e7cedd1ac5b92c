//! What changes in the map while units are under way: decisions, any number of them at once, each about a unit of its own.
//!
//! They are made from a map that was read, and the next map is stored by compare-and-swap; so of two decisions that do not know of each
//! other one is made, and who lost reads the map again.

use std::collections::BTreeSet;

use crate::ownership::{MoveEntry, MoveId, Phase, Unit};
use crate::routing::queue::Stopped;
use crate::{Epoch, ShardId, ShardMap};

/// What is decided about a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is to move to a shard, when its turn comes.
    Wait(Unit, ShardId),
    /// It does not wait any more.
    Forget(Unit),
    /// It begins to move to a shard.
    Begin(Unit, ShardId),
    /// That move of it comes to a phase.
    Next(Unit, MoveId, Phase),
    /// That move of it turns back by itself, because of these rows.
    Stop(Unit, MoveId, Vec<String>),
    /// Nothing is left to do of that move.
    Finish(Unit, MoveId),
}

/// Why nothing is decided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDecided {
    /// The unit is under way already, or there are two decisions about it.
    #[error("it is under way already")]
    Moving(Unit),
    /// The unit waits to move, to that shard.
    #[error("it waits to move to shard {1}")]
    Waiting(Unit, ShardId),
    /// The unit is there.
    #[error("it is on that shard already")]
    There(Unit),
    /// Nothing may go to that shard: it leaves, or is gone.
    #[error("shard {1} leaves the system")]
    Leaving(Unit, ShardId),
    /// The map says something else of that move: somebody else has decided.
    #[error("the map has come further, or knows no such move")]
    Stale(Unit),
}

impl ShardMap {
    /// The next map, in which all of this is decided.
    ///
    /// # Errors
    /// [`NotDecided`] says of which unit the first that cannot be decided is; then none of it is.
    pub fn decided(&self, decisions: &[Decision]) -> Result<Self, NotDecided> {
        let epoch = Epoch(self.epoch().0 + 1);
        let mut seen = BTreeSet::new();
        let mut changed: Vec<(Unit, Option<MoveEntry>)> = Vec::new();
        let mut queue = self.queue().clone();
        for decision in decisions {
            let unit = decision.unit();
            if !seen.insert(unit) {
                return Err(NotDecided::Moving(unit));
            }
            match decision {
                &Decision::Wait(unit, to) => {
                    self.can_wait(unit, to)?;
                    queue.add(unit, to);
                }
                Decision::Forget(_) => {
                    queue.target(unit).ok_or(NotDecided::Stale(unit))?;
                    queue.remove(unit);
                }
                Decision::Begin(..) => {
                    changed.push((unit, self.after(decision, epoch)?));
                    queue.remove(unit);
                }
                Decision::Stop(_, of, rows) => {
                    let entry = self.after(&Decision::Next(unit, *of, Phase::TurnedBack), epoch)?;
                    if let Some(MoveEntry { from, to, .. }) = entry {
                        queue.stop(Stopped { unit, of: *of, from, to, rows: rows.clone() });
                    }
                    changed.push((unit, entry));
                }
                Decision::Next(..) | Decision::Finish(..) => changed.push((unit, self.after(decision, epoch)?)),
            }
        }
        Ok(self.next_moving(&changed, queue))
    }

    /// Where a unit is once all that is decided is done.
    pub fn goes_to(&self, unit: Unit) -> ShardId {
        let moving = self.moving(unit).filter(|entry| !matches!(entry.phase, Phase::TurnedBack | Phase::Refused));
        let moves_to = moving.map_or_else(|| self.shard(unit.stream(), unit.bucket()), |entry| entry.to);
        self.queue().target(unit).unwrap_or(moves_to)
    }

    /// A unit whose last move is as good as over may wait for its next.
    fn can_wait(&self, unit: Unit, to: ShardId) -> Result<(), NotDecided> {
        if let Some(to) = self.queue().target(unit) {
            return Err(NotDecided::Waiting(unit, to));
        }
        if self.moving(unit).is_some_and(|entry| entry.phase != Phase::Owned) {
            return Err(NotDecided::Moving(unit));
        }
        if self.shard(unit.stream(), unit.bucket()) == to {
            Err(NotDecided::There(unit))
        } else {
            self.may_go(unit, to)
        }
    }

    fn may_go(&self, unit: Unit, to: ShardId) -> Result<(), NotDecided> {
        let is_departed = self.is_leaving(to) || self.gone(to).is_some();
        if is_departed { Err(NotDecided::Leaving(unit, to)) } else { Ok(()) }
    }

    /// What the map says of the unit from that epoch on; `None` where it is no longer under way.
    fn after(&self, decision: &Decision, epoch: Epoch) -> Result<Option<MoveEntry>, NotDecided> {
        let of_move = |unit, of| self.moving(unit).filter(|entry| entry.of == of).ok_or(NotDecided::Stale(unit));
        match decision {
            &Decision::Begin(unit, to) => {
                let from = self.shard(unit.stream(), unit.bucket());
                match (self.moving(unit), self.queue().target(unit)) {
                    (Some(_), _) => Err(NotDecided::Moving(unit)),
                    (None, Some(other)) if other != to => Err(NotDecided::Waiting(unit, other)),
                    (None, _) if from == to => Err(NotDecided::There(unit)),
                    (None, _) => self.may_go(unit, to).map(|()| Some(MoveEntry::begin(unit, epoch, from, to))),
                }
            }
            Decision::Next(unit, of, phase) => {
                let next = of_move(*unit, *of)?.followed_by(phase.clone(), epoch);
                next.map(Some).ok_or(NotDecided::Stale(*unit))
            }
            &Decision::Finish(unit, of) => match of_move(unit, of)?.phase {
                Phase::Active(_) | Phase::Owned | Phase::TurnedBack => Ok(None),
                Phase::Copying | Phase::Releasing | Phase::Routed | Phase::Refused => Err(NotDecided::Stale(unit)),
            },
            &Decision::Wait(unit, _) | &Decision::Forget(unit) | &Decision::Stop(unit, ..) => {
                Err(NotDecided::Stale(unit))
            }
        }
    }
}

impl Decision {
    /// About what it is.
    pub const fn unit(&self) -> Unit {
        match self {
            Self::Wait(unit, _)
            | Self::Forget(unit)
            | Self::Begin(unit, _)
            | Self::Next(unit, ..)
            | Self::Stop(unit, ..)
            | Self::Finish(unit, _) => *unit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ownership::{Inheritance, Sums};
    use crate::{Bucket, Hash, StreamKind};
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::num::NonZeroU16;

    fn unit(number: u16) -> Unit {
        let stream = if number.is_multiple_of(2) { StreamKind::Logged } else { StreamKind::Derived };
        Unit::of(stream, Bucket::new(number / 2).unwrap())
    }

    fn phase() -> impl Strategy<Value = Phase> {
        let inherited = Phase::Active(Inheritance { sums: Sums::default(), origins: BTreeMap::new() });
        let phases = [
            Phase::Copying,
            Phase::Releasing,
            Phase::Routed,
            inherited,
            Phase::Owned,
            Phase::Refused,
            Phase::TurnedBack,
        ];
        proptest::sample::select(phases.to_vec())
    }

    /// A decision about one of a few units, most often one that can follow.
    fn decision() -> impl Strategy<Value = (u16, u8, u16, Phase)> {
        (0..6u16, 0..8u8, 0..4u16, phase())
    }

    proptest! {
        /// Whatever is decided, in whatever order: every map can be stored and read, what is not decided about stays, and a unit changes its
        /// shard only as its move says.
        #[test]
        fn a_map_that_was_decided_is_a_map(decisions in proptest::collection::vec(decision(), 1..40)) {
            let mut map = ShardMap::even(NonZeroU16::new(2).unwrap(), Hash::Md5);
            for (number, what, to, phase) in decisions {
                let about = unit(number);
                let of = map.moving(about).map_or(MoveId(map.epoch()), |entry| entry.of);
                let decision = match what {
                    0 => Decision::Begin(about, ShardId(to)),
                    1 => Decision::Finish(about, of),
                    2 => Decision::Wait(about, ShardId(to)),
                    3 => Decision::Forget(about),
                    4 => Decision::Stop(about, of, vec!["a row".to_owned()]),
                    _ => Decision::Next(about, of, phase),
                };
                let Ok(next) = map.decided(std::slice::from_ref(&decision)) else { continue };
                prop_assert_eq!(next.epoch(), Epoch(map.epoch().0 + 1));
                let json = serde_json::to_vec(&next).unwrap();
                prop_assert_eq!(&serde_json::from_slice::<ShardMap>(&json).unwrap(), &next);
                for other in (0..6).map(unit) {
                    let (stream, bucket) = (other.stream(), other.bucket());
                    if other != about {
                        prop_assert_eq!(next.moving(other), map.moving(other));
                        prop_assert_eq!(next.shard(stream, bucket), map.shard(stream, bucket));
                    } else if let Some(entry) = next.moving(about) {
                        let is_settled = matches!(decision, Decision::Wait(..) | Decision::Forget(_)) || entry.phase == Phase::Owned;
                        prop_assert!(is_settled || entry.epoch == next.epoch());
                        prop_assert_eq!(entry.shard(), next.shard(stream, bucket));
                        let is_awaited = next.queue().target(about).is_some();
                        prop_assert!(!is_awaited || entry.phase == Phase::Owned || entry.phase == Phase::Refused || entry.phase == Phase::TurnedBack);
                    } else {
                        prop_assert_eq!(next.shard(stream, bucket), map.shard(stream, bucket));
                    }
                    prop_assert_eq!(next.founder(bucket), map.founder(bucket));
                }
                map = next;
            }
        }
    }

    #[test]
    fn a_second_move_of_a_unit_is_refused() {
        let map = ShardMap::even(NonZeroU16::new(2).unwrap(), Hash::Md5);
        let begin = Decision::Begin(unit(0), ShardId(1));
        let moving = map.decided(std::slice::from_ref(&begin)).unwrap();
        assert_eq!(moving.decided(std::slice::from_ref(&begin)), Err(NotDecided::Moving(unit(0))));
        assert_eq!(map.decided(&[begin.clone(), begin]), Err(NotDecided::Moving(unit(0))));
        assert_eq!(map.decided(&[Decision::Begin(unit(0), ShardId(0))]), Err(NotDecided::There(unit(0))));
        let of = moving.moving(unit(0)).unwrap().of;
        assert_eq!(map.decided(&[Decision::Next(unit(0), of, Phase::Releasing)]), Err(NotDecided::Stale(unit(0))));
        assert_eq!(moving.decided(&[Decision::Finish(unit(0), of)]), Err(NotDecided::Stale(unit(0))));
        assert_eq!(moving.shards().collect::<Vec<_>>(), [ShardId(0), ShardId(1)]);
        assert_eq!(moving.decided(&[Decision::Wait(unit(0), ShardId(1))]), Err(NotDecided::Moving(unit(0))));
        let waiting = map.decided(&[Decision::Wait(unit(0), ShardId(1))]).unwrap();
        let waits = NotDecided::Waiting(unit(0), ShardId(1));
        assert_eq!(waiting.decided(&[Decision::Wait(unit(0), ShardId(1))]), Err(waits.clone()));
        assert_eq!(waiting.decided(&[Decision::Begin(unit(0), ShardId(2))]), Err(waits));
        let begun = waiting.decided(&[Decision::Begin(unit(0), ShardId(1))]).unwrap();
        assert_eq!((begun.queue().target(unit(0)), begun.goes_to(unit(0))), (None, ShardId(1)));
    }
}
