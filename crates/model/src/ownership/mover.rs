//! What is to be done next, to move a unit. It follows from what the map and the two shards say, so any process can go on with a
//! move, and several at once do no harm: the map changes by compare-and-swap, control frames are taken once, and copies are facts.

use std::collections::BTreeSet;

use crate::ownership::{Change, MoveEntry, Ownership, Phase, State, Sums};
use crate::{Epoch, ShardId};

/// One side of a move, as a snapshot of its shard shows it.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// What the shard says of the unit.
    pub ownership: &'a Ownership,
    /// Whether none of the unit's rows are there, visible or not, and none are parked.
    pub is_empty: bool,
}

/// What a mover sees.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// What the map says.
    pub entry: &'a MoveEntry,
    /// The shard that the unit comes from.
    pub source: Side<'a>,
    /// The shard that it goes to.
    pub target: Side<'a>,
    /// How the rows of the two compare, in these snapshots; `None` where nobody has looked.
    pub compared: Option<&'a Compared>,
    /// Which control frames this mover knows to be acknowledged, by shard and epoch. Whatever it does not know it appends again.
    pub logged: &'a BTreeSet<(ShardId, Epoch)>,
}

/// How the rows of source and target compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// They are the same, per lane and day, and come to this.
    Equal(Sums),
    /// The target lacks some that the source has: they have to be copied, or are on their way.
    Missing,
    /// The target has others, or cannot take some. The move turns back by itself.
    Different,
}

/// What is for the caller to decide.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// Somebody wants the unit to stay where it was.
    pub turn_back: bool,
    /// Little enough is missing for the source to stop: what comes from then on waits until the rest is copied and compared.
    pub may_release: bool,
    /// What the source has is needed no more: nothing derived is owed of it, and the target's log has kept the copies for as long as
    /// a restored target may need them.
    pub may_clean: bool,
}

/// What is next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// What a mover does.
    pub act: Act,
    /// Whether rows that the target lacks may be copied, to its log, beside it.
    pub may_copy: bool,
}

/// What a mover does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Append a control frame to a shard's log, and wait for its acknowledgement.
    Append(ShardId, Change),
    /// Change the map by compare-and-swap: to this phase, with its next epoch, if it still has the entry that was seen.
    Decide(Phase),
    /// Compare the rows of both, in snapshots that still say the same of the unit, and look again.
    Compare,
    /// Copy what is missing.
    Copy,
    /// Wait until that shard says something else.
    Wait(ShardId),
    /// Take the entry out of the map: nothing is left to do.
    Finish,
}

impl Scene<'_> {
    /// What is next.
    pub fn next(&self, wishes: Wishes) -> Next {
        let act = match &self.entry.phase {
            Phase::Copying | Phase::Releasing | Phase::Routed if wishes.turn_back => Act::Decide(Phase::TurnedBack),
            Phase::Copying => self.copying(wishes),
            Phase::Releasing => self.releasing(),
            Phase::Routed => self.routed(),
            Phase::Active(_) | Phase::Owned => self.active(wishes),
            Phase::Refused => self.refused(),
            Phase::TurnedBack => self.turned_back(),
        };
        Next { act, may_copy: self.may_copy() }
    }

    /// Both sides have to be in this move: then the source copies by itself whatever it stores, and the target takes copies.
    fn may_copy(&self) -> bool {
        matches!(self.entry.phase, Phase::Copying | Phase::Releasing | Phase::Routed)
            && self.source.ownership.is_of(self.entry.of)
            && self.target.ownership.is_of(self.entry.of)
    }

    fn copying(&self, wishes: Wishes) -> Act {
        // What a shard has of an earlier time goes before it receives again.
        let is_received = self.target.ownership.epoch >= self.entry.epoch;
        if !is_received && !self.target.is_empty {
            return Act::Wait(self.entry.to);
        }
        match self.first_to_append([self.of_target(), self.of_source()]) {
            Some(append) => append,
            // Behind that frame it copies by itself. If it is far behind its log, what it releases would wait for it.
            None if self.source.ownership.epoch < self.entry.epoch => Act::Wait(self.entry.from),
            None if wishes.may_release => Act::Decide(Phase::Releasing),
            None => Act::Copy,
        }
    }

    /// The target must be told to wait before the source lets go: what the source sends on would come back. And ingest must not
    /// write to the target before the source's log says so: what is logged there later would be decided first.
    fn releasing(&self) -> Act {
        self.first_to_append([self.of_target(), self.of_source()]).unwrap_or(Act::Decide(Phase::Routed))
    }

    fn routed(&self) -> Act {
        let (source, target) = (self.source.ownership, self.target.ownership);
        if !(source.is_of(self.entry.of) && matches!(source.state, State::Released { .. })) {
            return Act::Wait(self.entry.from);
        }
        if !(target.is_of(self.entry.of) && matches!(target.state, State::Awaiting { .. })) {
            return Act::Wait(self.entry.to);
        }
        match self.compared {
            None => Act::Compare,
            Some(Compared::Missing) => Act::Copy,
            Some(Compared::Different) => Act::Decide(Phase::TurnedBack),
            Some(Compared::Equal(sums)) => {
                let bequest = source.bequest(self.entry.from, sums.clone());
                bequest.map_or(Act::Wait(self.entry.from), |inheritance| Act::Decide(Phase::Active(inheritance)))
            }
        }
    }

    fn active(&self, wishes: Wishes) -> Act {
        let MoveEntry { epoch, from, to, .. } = *self.entry;
        let (source, target) = (&self.source, &self.target);
        if target.ownership.refused == Some(epoch) {
            return Act::Decide(Phase::Refused);
        }
        if target.ownership.epoch < epoch {
            return self.first_to_append([self.of_target()]).unwrap_or(Act::Wait(to));
        }
        if matches!(self.entry.phase, Phase::Active(_)) {
            return Act::Decide(Phase::Owned);
        }
        let is_over = source.ownership.epoch >= epoch && source.is_empty;
        let clean = wishes.may_clean.then(|| self.first_to_append([self.of_source()])).flatten();
        if is_over { Act::Finish } else { clean.unwrap_or(Act::Wait(from)) }
    }

    fn refused(&self) -> Act {
        if self.target.ownership.epoch >= self.entry.epoch {
            return Act::Decide(Phase::TurnedBack);
        }
        self.first_to_append([self.of_target()]).unwrap_or(Act::Wait(self.entry.to))
    }

    /// The source must own the unit before the target sends it what is parked: it would come back.
    fn turned_back(&self) -> Act {
        let MoveEntry { epoch, from, to, .. } = *self.entry;
        if let Some(append) = self.first_to_append([self.of_source()]) {
            return append;
        }
        if self.source.ownership.epoch < epoch {
            return Act::Wait(from);
        }
        if let Some(append) = self.first_to_append([self.of_target()]) {
            return append;
        }
        let is_over = self.target.ownership.epoch >= epoch && self.target.is_empty;
        if is_over { Act::Finish } else { Act::Wait(to) }
    }

    fn of_source(&self) -> Frame<'_> {
        (self.entry.from, self.entry.to_source(), self.source.ownership)
    }

    fn of_target(&self) -> Frame<'_> {
        (self.entry.to, self.entry.to_target(), self.target.ownership)
    }

    /// The first of these that is not known to be in its log.
    fn first_to_append<const N: usize>(&self, frames: [Frame<'_>; N]) -> Option<Act> {
        frames.into_iter().find_map(|(shard, change, ownership)| {
            let change = change?;
            let is_logged = ownership.epoch >= change.epoch || self.logged.contains(&(shard, change.epoch));
            (!is_logged).then_some(Act::Append(shard, change))
        })
    }
}

/// A control frame of the entry's phase: into whose log, and what that shard says already.
type Frame<'a> = (ShardId, Option<Change>, &'a Ownership);
