//! What a shard owes to another: what follows from its orders and is not in the other's derived stream yet.

use forebay_log::StreamState;
use forebay_model::Position;
use forebay_shard::Derived;

/// How many frames of a logged stream, up to a position, the target of a note is owed what follows from; `None` where it is
/// owed everything, because the note is of another making of the logged stream or of the target's.
pub(crate) fn frames_owed(note: &Derived, position: Position, target: &StreamState) -> Option<u64> {
    let published = note.published.position;
    let is_there = published.incarnation == target.incarnation && published.seq <= target.last_seq;
    position.frames_behind(note.through).filter(|_| is_there)
}

#[cfg(test)]
mod tests {
    use forebay_model::{Incarnation, ShardId};
    use forebay_shard::Published;

    use super::*;

    fn at(incarnation: u64, seq: u64) -> Position {
        Position { incarnation: Incarnation::new(incarnation), seq }
    }

    #[test]
    fn a_stream_that_is_not_the_one_of_the_note_is_owed_everything() {
        let published = Published { position: at(2, 5), frame_id: String::new() };
        let note = Derived { target: ShardId(1), through: at(1, 7), published };
        let target = |incarnation, last_seq| StreamState {
            incarnation: Incarnation::new(incarnation),
            first_seq: 1,
            last_seq,
            frames: last_seq,
            bytes: 0,
            bytes_max: 0,
            first_at: None,
            last_at: None,
        };
        assert_eq!(frames_owed(&note, at(1, 9), &target(2, 5)), Some(2));
        assert_eq!(frames_owed(&note, at(1, 6), &target(2, 5)), Some(0));
        assert_eq!(frames_owed(&note, at(3, 9), &target(2, 5)), None);
        assert_eq!(frames_owed(&note, at(1, 9), &target(3, 5)), None);
        assert_eq!(frames_owed(&note, at(1, 9), &target(2, 4)), None);
    }
}
