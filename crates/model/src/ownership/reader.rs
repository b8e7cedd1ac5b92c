//! Which shard answers for a unit.
//!
//! A reader begins at the shard that its map names, however old that is, and goes by what the shards say in the snapshots of their
//! rows. A client that presents a receipt is shown what it names, wherever its rows were sent on to since.

use std::collections::BTreeMap;

use crate::ownership::{Ownership, State, Tenure};
use crate::{Position, ShardId};

/// What a reader has seen of a shard, when it looked at it last: the unit, position and rows in one snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    /// Whose.
    pub shard: ShardId,
    /// How far its log is committed.
    pub position: Position,
    /// What it says of the unit.
    pub ownership: &'a Ownership,
    /// The position of the first of the unit's rows that are parked there.
    pub parked_from: Option<Position>,
}

/// Where in one log what a receipt names lies: in frames from the first to the last. Who knows only the last, as of a batch, says that the
/// first is the one of sequence 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The shard whose log it is.
    pub shard: ShardId,
    /// The first frame.
    pub first: Position,
    /// The last frame.
    pub last: Position,
}

/// What a reader does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Look at that shard: take the unit, position and rows in one snapshot, and ask again.
    Look(ShardId),
    /// The rows in the snapshot of that shard are the answer.
    Answer(ShardId),
    /// Forget what was seen, wait until that shard has come further, and begin anew with the newest map.
    Wait(ShardId),
}

/// Which snapshot a read over all shards takes a unit from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// That one's.
    From(ShardId),
    /// None of these: that shard has to be read again.
    Again(ShardId),
    /// Nobody's: no shard says that it owns it, or has.
    Nobody,
}

/// A longer way from shard to shard is that of a very old map, or of shards that were set back: who begins anew has a newer one, and they
/// come further.
const STEPS_MAX: usize = 8;

/// What a reader does that has seen these shards, each once, begins at the shard `start` of its map, and presents a receipt: of each log
/// that it names at most one place. Places in an earlier making of a log are for the caller to judge.
pub fn next(start: ShardId, receipt: &[Logged], seen: &[Sighting<'_>]) -> Reading {
    let seen = Sightings(seen);
    let answered = seen.holder(start).and_then(|holder| seen.with_receipt(holder, receipt));
    answered.map_or_else(|not_yet| not_yet, Reading::Answer)
}

/// Which of the snapshots of all shards, of whatever moments, a read over all of them takes a unit from: that of the highest epoch
/// among those that own it or have released it. Exactly one, so that nothing is shown twice. Where another shard says of a higher
/// epoch that it has the unit no more, or that it takes it once more, the one that it names is read again.
pub fn pick<'a>(seen: impl Iterator<Item = (ShardId, &'a Ownership)> + Clone) -> Pick {
    let holds = |ownership: &Ownership| ownership.state.owns() || matches!(ownership.state, State::Released { .. });
    let holder = seen.clone().filter(|(_, ownership)| holds(ownership)).max_by_key(|(_, ownership)| ownership.epoch);
    let named = seen.filter_map(|(_, other)| Some((other.epoch, named_by(other, holder.map(|(_, holder)| holder))?)));
    match (named.max(), holder) {
        (Some((_, named)), _) => Pick::Again(named),
        (None, Some((shard, _))) => Pick::From(shard),
        (None, None) => Pick::Nobody,
    }
}

/// The shard that has to be read again, because this one says what the holder that was seen cannot know.
fn named_by(other: &Ownership, holder: Option<&Ownership>) -> Option<ShardId> {
    let named = match other.state {
        State::Cleaned { to } => to,
        // While a shard owns a unit, others may receive it. One that has released it is the unit's only until its target owns it.
        State::Receiving { from } | State::Awaiting { from }
            if holder.is_none_or(|holder| !holder.state.owns() && holder.of != other.of) =>
        {
            from
        }
        _ => return None,
    };
    holder.is_none_or(|holder| other.epoch > holder.epoch).then_some(named)
}

/// The snapshots that a reader has.
struct Sightings<'a>(&'a [Sighting<'a>]);

impl<'a> Sightings<'a> {
    /// The snapshot of a shard.
    fn of(&self, shard: ShardId) -> Result<&'a Sighting<'a>, Reading> {
        self.0.iter().find(|sighting| sighting.shard == shard).ok_or(Reading::Look(shard))
    }

    /// The shard whose rows are the unit's.
    fn holder(&self, start: ShardId) -> Result<&'a Sighting<'a>, Reading> {
        let mut here = self.of(start)?;
        for _ in 0..STEPS_MAX {
            let to = match here.ownership.state {
                State::Owned | State::Copying { .. } => return Ok(here),
                State::Receiving { from } | State::Awaiting { from } => return self.source(here, from),
                State::Released { to } | State::Cleaned { to } => to,
                State::None => start,
            };
            if to == here.shard {
                break;
            }
            here = self.of(to)?;
        }
        Err(Reading::Wait(here.shard))
    }

    /// Until the target of a move owns the unit, its rows are where they were.
    fn source(&self, target: &Sighting<'_>, from: ShardId) -> Result<&'a Sighting<'a>, Reading> {
        let source = self.of(from)?;
        let has_released = matches!(source.ownership.state, State::Released { .. });
        let is_same_move = source.ownership.of == target.ownership.of;
        if source.ownership.state.owns() || (has_released && is_same_move) {
            return Ok(source);
        }
        // Where it is cleaned, the target has come to own the unit since it was looked at.
        Err(Reading::Wait(target.shard))
    }

    /// The shard whose rows answer a receipt.
    fn with_receipt(&self, holder: &Sighting<'_>, receipt: &[Logged]) -> Result<ShardId, Reading> {
        let followed = self.follow(receipt.iter().filter(|logged| !holder.has(logged)))?;
        let others = followed.iter().copied().filter(|other| !holder.has_all_of_target(other));
        let newest = others.max_by_key(|other| other.ownership.epoch);
        let ahead = newest.filter(|newest| newest.ownership.epoch > holder.ownership.epoch);
        let holder = match ahead {
            None => holder,
            Some(ahead) if ahead.ownership.state.owns() => ahead,
            // The holder was set back, and will hear of it.
            Some(_) => return Err(Reading::Wait(holder.shard)),
        };
        let second = followed.iter().find(|other| other.shard != holder.shard && other.ownership.state.owns());
        // Another owner was set back, and takes to be its own what it will not have decided.
        second.map_or(Ok(holder.shard), |second| Err(Reading::Wait(second.shard)))
    }

    /// Every shard on the ways that rows of these frames may have taken, each in a snapshot in which nothing of that waits there.
    fn follow<'l>(&self, logged: impl Iterator<Item = &'l Logged>) -> Result<Vec<&'a Sighting<'a>>, Reading> {
        let mut followed = Vec::new();
        let mut needs = BTreeMap::new();
        for logged in logged {
            let here = self.through(logged.shard, logged.last)?;
            if here.decided(logged) {
                followed.push(here);
            } else {
                needs.insert(logged.shard, logged.last);
            }
        }
        loop {
            let mut more = needs.clone();
            for (&at, &needed) in &needs {
                // An edge is the last of several, which may have been decided there or not: the next edges are followed, too.
                for (&to, &edge) in &self.through(at, needed)?.ownership.edges {
                    let need = more.entry(to).or_insert(edge);
                    if !need.covers(edge) {
                        *need = edge;
                    }
                }
            }
            if more == needs {
                break;
            }
            needs = more;
        }
        for &at in needs.keys() {
            followed.push(self.of(at)?);
        }
        Ok(followed)
    }

    /// The snapshot of a shard, where nothing up to that position waits there.
    fn through(&self, shard: ShardId, position: Position) -> Result<&'a Sighting<'a>, Reading> {
        let here = self.of(shard)?;
        let is_parked = here.parked_from.is_some_and(|parked| position.covers(parked));
        if here.position.covers(position) && !is_parked { Ok(here) } else { Err(Reading::Wait(shard)) }
    }
}

impl Sighting<'_> {
    /// Whether what these frames brought was decided here or where this shard has its rows from, and is here.
    fn has(&self, logged: &Logged) -> bool {
        let was_decided = self.ownership.origins.get(&logged.shard).is_some_and(|tenure| tenure.has(logged));
        was_decided || (logged.shard == self.shard && self.position.covers(logged.last) && self.decided(logged))
    }

    /// Whether another shard is to have the unit from this one, which has all that the other has ever decided of it. The other hears of that first, so that its
    /// higher epoch says nothing of this one.
    fn has_all_of_target(&self, other: &Sighting<'_>) -> bool {
        let (State::Receiving { from } | State::Awaiting { from }) = other.ownership.state else { return false };
        from == self.shard && self.ownership.origins.get(&other.shard) == other.ownership.tenure.as_ref()
    }

    /// Whether the rows of these frames of this shard's log were decided here when they were committed.
    fn decided(&self, logged: &Logged) -> bool {
        self.ownership.tenure.is_some_and(|tenure| tenure.has(logged))
    }
}

impl Tenure {
    fn has(self, logged: &Logged) -> bool {
        self.holds(logged.first) && self.holds(logged.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Epoch, Incarnation};

    const A: ShardId = ShardId(0);
    const B: ShardId = ShardId(1);

    fn at(seq: u64) -> Position {
        Position { incarnation: Incarnation::new(1), seq }
    }

    /// What a reader does with a receipt of the target's log, whose row was sent on to the source, between the target's `receiving` and the source's `copying`.
    fn reading(target: Option<Tenure>, source: Option<Tenure>) -> Reading {
        let owner = Ownership {
            origins: source.map(|tenure| (B, tenure)).into_iter().collect(),
            ..Ownership::first(Epoch(3), at(7))
        };
        let state = State::Receiving { from: A };
        let edges = BTreeMap::from([(A, at(8))]);
        let receiver = Ownership { state, epoch: Epoch(4), tenure: target, edges, ..Ownership::default() };
        let sighting = |shard, ownership| Sighting { shard, position: at(9), ownership, parked_from: None };
        let receipt = [Logged { shard: B, first: at(6), last: at(6) }];
        next(A, &receipt, &[sighting(A, &owner), sighting(B, &receiver)])
    }

    #[test]
    fn an_owner_that_has_not_heard_of_a_move_yet_answers_receipts_of_the_targets_log() {
        assert_eq!(reading(None, None), Reading::Answer(A));
        let before = Some(Tenure { since: at(2), left: Some(at(4)) });
        assert_eq!(reading(before, before), Reading::Answer(A));
        assert_eq!(
            reading(before, None),
            Reading::Wait(A),
            "it was set back to before it had what the target has decided"
        );
    }
}
