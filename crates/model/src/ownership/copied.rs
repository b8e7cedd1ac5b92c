//! Copies: rows that a move brings to the log of the shard that is to own their unit. What they are beside their tuples stands at the head of a
//! frame's payload: of which move, and where in which log each was first stored.
//!
//! As bytes, numbers with the highest byte first: the version of all this, the move's epoch; of a logged lane the shard and the making of the log
//! that the rows were first stored from, and for each row the number of its frame there; then the tuples.

use super::{MoveId, VERSION};
use crate::{Epoch, Incarnation, Lane, ShardId, StreamKind};

/// What rows that a move brings are, beside their tuples. The rows of one frame were first stored from one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Which move brings them.
    pub of: MoveId,
    /// Where they were first stored: of logged lanes.
    pub place: Option<CopiedPlace>,
}

/// Where rows of a logged lane were first stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedPlace {
    /// Whose logged stream it is.
    pub shard: ShardId,
    /// Which making of it.
    pub incarnation: Incarnation,
    /// For each row, the number of its frame.
    pub seqs: Vec<u64>,
}

impl Copied {
    /// The payload of a frame with these tuples.
    pub fn encode(&self, tuples: &[u8]) -> Vec<u8> {
        let seqs = self.place.as_ref().map_or(0, |place| place.seqs.len());
        let mut out = Vec::with_capacity(19 + 8 * seqs + tuples.len());
        out.push(VERSION);
        out.extend(self.of.0.0.to_be_bytes());
        if let Some(CopiedPlace { shard, incarnation, seqs }) = &self.place {
            out.extend(shard.0.to_be_bytes());
            out.extend(incarnation.get().to_be_bytes());
            out.extend(seqs.iter().flat_map(|seq| seq.to_be_bytes()));
        }
        out.extend(tuples);
        out
    }

    /// Reads the head of a payload of `rows` rows of a lane, and gives it with where the tuples begin. `None` where there is no valid head, or one of another
    /// version.
    pub fn decode(lane: Lane, rows: u32, payload: &[u8]) -> Option<(Self, usize)> {
        let mut rest = payload;
        let [version] = take(&mut rest)?;
        let of = MoveId(Epoch(u64::from_be_bytes(take(&mut rest)?)));
        let place = match lane.kind() {
            StreamKind::Logged => Some(place(&mut rest, rows)?),
            StreamKind::Derived => None,
        };
        (version == VERSION).then(|| (Self { of, place }, payload.len() - rest.len()))
    }
}

fn place(rest: &mut &[u8], rows: u32) -> Option<CopiedPlace> {
    let shard = ShardId(u16::from_be_bytes(take(rest)?));
    let incarnation = Incarnation::new(u64::from_be_bytes(take(rest)?));
    // As many as the bytes can hold, whatever is declared.
    let rows = usize::try_from(rows).ok().filter(|&rows| rows <= rest.len() / size_of::<u64>())?;
    let seqs = (0..rows).map(|_| take(rest).map(u64::from_be_bytes)).collect::<Option<_>>()?;
    Some(CopiedPlace { shard, incarnation, seqs })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_and_nothing_else_makes_it_stumble(
            of in any::<u64>(), shard in any::<u16>(), making in any::<u64>(), seqs in prop::collection::vec(any::<u64>(), 0..9),
            tuples in prop::collection::vec(any::<u8>(), 0..40), lane in prop::sample::select(Lane::ALL.to_vec()), noise in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let is_logged = lane.kind() == StreamKind::Logged;
            let rows = seqs.len() as u32;
            let place = is_logged.then_some(CopiedPlace { shard: ShardId(shard), incarnation: Incarnation::new(making), seqs });
            let copied = Copied { of: MoveId(Epoch(of)), place };
            let payload = copied.encode(&tuples);
            let (read, begin) = Copied::decode(lane, rows, &payload).unwrap();
            prop_assert_eq!((&read, &payload[begin..]), (&copied, &tuples[..]));
            prop_assert_eq!(Copied::decode(lane, rows, &payload[..begin.min(8)]), None);
            prop_assert_eq!(Copied::decode(lane, rows, &[&[VERSION + 1], &payload[1..]].concat()), None);
            let _ = Copied::decode(lane, u32::MAX, &noise);
        }
    }
}
