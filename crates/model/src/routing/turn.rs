//! Which of the units that wait begin to move, and which of those that are copied are released: few enough at a time that orders do not wait long, and
//! that the map stays small enough to be one message.

use crate::ownership::{MoveEntry, Phase, Unit};
use crate::{Decision, ShardId, ShardMap};

/// How many units may be under way at the same time, from all shards. Each takes some hundred bytes of the map, of which a message has a million.
pub const UNDER_WAY_MAX: usize = 1024;
/// How many of them may be between their owners, from one shard: their orders wait to be seen.
pub const BETWEEN_MAX: usize = 32;

impl ShardMap {
    /// What waits and can begin, of what leaves that shard, or any; where `at_once` of its units may be under way.
    pub fn begins(&self, from: Option<ShardId>, at_once: usize) -> Vec<Decision> {
        let is_mine = |shard| from.is_none_or(|from| from == shard);
        let under_way = || self.moves().iter().filter(|entry| !entry.phase.is_owned());
        let of_all = UNDER_WAY_MAX.saturating_sub(under_way().count());
        let of_mine = at_once.saturating_sub(under_way().filter(|entry| is_mine(entry.from)).count());
        let place = |unit: Unit| self.shard(unit.stream(), unit.bucket());
        let can_begin = |&(unit, _): &(Unit, ShardId)| is_mine(place(unit)) && self.moving(unit).is_none();
        let begin = |(unit, to)| if place(unit) == to { Decision::Forget(unit) } else { Decision::Begin(unit, to) };
        self.queue().waiting().filter(can_begin).take(of_all.min(of_mine)).map(begin).collect()
    }

    /// Which shard still keeps the rows that it had of a unit, for the units that wait and cannot begin before these are deleted.
    pub fn held_up(&self) -> impl Iterator<Item = (Unit, ShardId)> {
        let keeper = |unit| self.moving(unit).filter(|entry| entry.phase.is_owned()).map(|entry| (unit, entry.from));
        self.queue().waiting().filter_map(move |(unit, _)| keeper(unit))
    }

    /// Leaves out decisions to release that would let too many units be between their owners, of those that leave that shard, or any.
    pub fn limit_between(&self, decisions: &mut Vec<Decision>, from: Option<ShardId>) {
        let is_between = |entry: &&MoveEntry| {
            from.is_none_or(|from| entry.from == from) && !matches!(entry.phase, Phase::Copying | Phase::Owned)
        };
        let mut room = BETWEEN_MAX.saturating_sub(self.moves().iter().filter(is_between).count());
        decisions.retain(|decision| {
            if !matches!(decision, Decision::Next(_, _, Phase::Releasing)) {
                return true;
            }
            let fits = room > 0;
            room = room.saturating_sub(1);
            fits
        });
    }
}
