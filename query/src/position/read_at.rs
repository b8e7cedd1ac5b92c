//! The positions that an answer was read at.

use std::collections::BTreeMap;

use forebay_model::{Position, Receipt, StreamId};

/// For each stream that an answer is made of, the position before which it holds everything that was committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadAt(BTreeMap<StreamId, Position>);

impl ReadAt {
    /// Notes the position of one read. Of several reads of a stream the earliest counts.
    pub(crate) fn note(&mut self, stream: StreamId, position: Option<Position>) {
        let Some(position) = position else { return };
        let known = self.0.entry(stream).or_insert(position);
        if known.is_later_than(position) {
            *known = position;
        }
    }

    /// Notes all positions of other reads.
    pub(crate) fn note_all(&mut self, other: &Self) {
        for (stream, position) in other.iter() {
            self.note(stream, Some(position));
        }
    }

    /// Every stream with its position.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (StreamId, Position)> + '_ {
        self.0.iter().map(|(&stream, &position)| (stream, position))
    }

    /// The position of that stream.
    pub(crate) fn position(&self, stream: StreamId) -> Option<Position> {
        self.0.get(&stream).copied()
    }

    /// Whether it has none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it has a position of that stream.
    pub(crate) fn has(&self, stream: StreamId) -> bool {
        self.0.contains_key(&stream)
    }

    /// In the form of a receipt, so that it can be given to `after=` of another read.
    pub(crate) fn to_receipt(&self) -> Receipt {
        let mut receipt = Receipt::default();
        for (stream, position) in self.iter() {
            receipt.note(stream, position);
        }
        receipt
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::{Incarnation, ShardId, StreamKind};

    #[test]
    fn of_two_reads_the_earlier_position_counts() {
        let at = |seq| Some(Position { incarnation: Incarnation::new(1), seq });
        let mut read_at = ReadAt::default();
        for position in [at(7), at(5), None, at(6)] {
            read_at.note(StreamKind::Logged.on(ShardId(2)), position);
        }
        assert_eq!(read_at.to_receipt().to_string(), "l2.1.5");
    }
}
