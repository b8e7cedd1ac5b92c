//! Which shard answers for a unit.
//!
//! A reader begins at the shard that its map names, however old that is, and goes by what the shards say in the snapshots of their
//! rows. Whoever presents a receipt is shown what it names, wherever its rows were sent on to since.

use std::collections::BTreeMap;

use crate::ownership::{Ownership, State};
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

/// What a reader does that has seen these shards, each once, begins at the shard `start` of its map, and presents a receipt: the shard whose
/// logged stream holds its order, and where. A receipt of an earlier making of that stream is for the caller to judge.
pub fn next(start: ShardId, receipt: Option<(ShardId, Position)>, seen: &[Sighting<'_>]) -> Reading {
    let seen = Seen(seen);
    let answered = seen.holder(start).and_then(|holder| match receipt {
        Some((shard, position)) => seen.with_receipt(holder, shard, position),
        None => Ok(holder.shard),
    });
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
struct Seen<'a>(&'a [Sighting<'a>]);

impl<'a> Seen<'a> {
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
    fn with_receipt(&self, holder: &Sighting<'_>, shard: ShardId, position: Position) -> Result<ShardId, Reading> {
        if holder.has(shard, position) {
            return Ok(holder.shard);
        }
        let followed = self.follow(shard, position)?;
        let newest = followed.iter().copied().max_by_key(|other| other.ownership.epoch);
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

    /// Every shard on the ways that rows of a frame may have taken, each in a snapshot in which nothing of that waits there.
    fn follow(&self, shard: ShardId, position: Position) -> Result<Vec<&'a Sighting<'a>>, Reading> {
        let mut needs = BTreeMap::from([(shard, position)]);
        loop {
            let mut more = needs.clone();
            let mut followed = Vec::new();
            for (&at, &needed) in &needs {
                let here = self.of(at)?;
                if !here.is_through(needed) {
                    return Err(Reading::Wait(at));
                }
                followed.push(here);
                // An edge is the last of several positions, so only of the receipt's own it can be told that it was decided there.
                if (at, needed) == (shard, position) && here.decided(needed) {
                    continue;
                }
                for (&to, &edge) in &here.ownership.edges {
                    let need = more.entry(to).or_insert(edge);
                    if !need.covers(edge) {
                        *need = edge;
                    }
                }
            }
            if more == needs {
                return Ok(followed);
            }
            needs = more;
        }
    }
}

impl Sighting<'_> {
    /// Whether what a frame brought was decided here or where this shard has its rows from, and is here.
    fn has(&self, shard: ShardId, position: Position) -> bool {
        let was_decided = self.ownership.origins.get(&shard).is_some_and(|tenure| tenure.holds(position));
        was_decided || (shard == self.shard && self.position.covers(position) && self.decided(position))
    }

    /// Whether the frame's rows were decided here when it was committed.
    fn decided(&self, position: Position) -> bool {
        self.ownership.tenure.is_some_and(|tenure| tenure.holds(position))
    }

    /// Whether nothing up to that position waits here.
    fn is_through(&self, position: Position) -> bool {
        self.position.covers(position) && !self.parked_from.is_some_and(|parked| position.covers(parked))
    }
}
