//! The positions that an answer was read at.

use std::collections::BTreeMap;

use forebay_model::{Lane, Position, Receipt, ShardId};

use crate::position::history::is_later;

/// For each lane and shard that an answer is made of, the position before which it holds everything that was committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadAt(BTreeMap<(Lane, ShardId), Position>);

impl ReadAt {
    /// Notes the position of one read. Of several reads of a lane and shard the earliest counts.
    pub(crate) fn note(&mut self, lane: Lane, shard: ShardId, position: Option<Position>) {
        let Some(position) = position else { return };
        let known = self.0.entry((lane, shard)).or_insert(position);
        if is_later(*known, position) {
            *known = position;
        }
    }

    /// Every lane and shard with its position.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Lane, ShardId, Position)> + '_ {
        self.0.iter().map(|(&(lane, shard), &position)| (lane, shard, position))
    }

    /// Whether it has a position of that lane and shard.
    pub(crate) fn has(&self, lane: Lane, shard: ShardId) -> bool {
        self.0.contains_key(&(lane, shard))
    }

    /// In the form of a receipt, so that it can be given to `after=` of another read.
    pub(crate) fn to_receipt(&self) -> Receipt {
        let mut receipt = Receipt::default();
        for (lane, shard, position) in self.iter() {
            receipt.note(lane, shard, position);
        }
        receipt
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::Incarnation;

    #[test]
    fn of_two_reads_the_earlier_position_counts() {
        let at = |seq| Some(Position { incarnation: Incarnation::new(1), seq });
        let mut read_at = ReadAt::default();
        for position in [at(7), at(5), None, at(6)] {
            read_at.note(Lane::Orders, ShardId(2), position);
        }
        assert_eq!(read_at.to_receipt().to_string(), "o2.1.5");
    }
}
