//! Whether a stream can be read on from a position.

use forebay_model::{Position, StreamId};

use crate::frame::stored::{StoredFrame, Unreadable, UnreadableFrame};
use crate::log::Log;
use crate::reader::{ReadError, ReadFrom};
use crate::stream::StreamState;

/// What the stream's state says of a position.
#[derive(Debug)]
enum Verdict {
    /// The stream cannot be read on.
    Refuse(ReadError),
    /// It can.
    Fine,
    /// It can if the frame at the position is the one that was read.
    IfFrameIsThere,
}

/// Checks that the stream is the one that was read up to the position. Costs one request, and one more while the
/// frame at the position has not been trimmed. Gives the position to read on from.
pub(crate) async fn check(log: &Log, stream: StreamId, after: Option<&ReadFrom>) -> Result<Position, ReadError> {
    let state = log.stream_state(stream).await?;
    let position = after.map_or(Position { incarnation: state.incarnation, seq: 0 }, |after| after.position);
    match judge(stream, &state, position) {
        Verdict::Refuse(error) => return Err(error),
        Verdict::Fine => return Ok(position),
        Verdict::IfFrameIsThere => {}
    }
    // Of a message without an id nothing is known by which it could be recognised.
    let Some(wanted) = after.and_then(|after| after.frame_id.as_ref()) else {
        return Ok(position);
    };
    let found = match log.frame_at(stream, position).await? {
        // What it held is stored, so its damage is for `verify` to tell, as long as it can be recognised; and what a later version has
        // stored of it is not to be decided again.
        Some(Ok(StoredFrame { id: Some(found), .. }) | Err(UnreadableFrame { id: Some(found), .. }))
            if found == *wanted =>
        {
            return Ok(position);
        }
        Some(Err(UnreadableFrame { why: why @ Unreadable::Damaged(_), .. })) => {
            return Err(ReadError::Unreadable { stream, seq: position.seq, why });
        }
        Some(Ok(StoredFrame { id: Some(found), .. }) | Err(UnreadableFrame { id: Some(found), .. })) => {
            format!("frame {found} stands there instead of {wanted}")
        }
        Some(_) => format!("a message without id stands there instead of frame {wanted}"),
        None => "there is no frame at that place".to_owned(),
    };
    Err(ReadError::LostTail { stream, seq: position.seq, found })
}

fn judge(stream: StreamId, state: &StreamState, position: Position) -> Verdict {
    let Position { incarnation, seq } = position;
    if state.incarnation != incarnation {
        let (expected, found) = (incarnation, state.incarnation);
        return Verdict::Refuse(ReadError::OtherIncarnation { stream, expected, found });
    }
    if state.last_seq < seq {
        let found = format!("the last frame is {}", state.last_seq);
        return Verdict::Refuse(ReadError::LostTail { stream, seq, found });
    }
    if state.first_seq > seq + 1 {
        return Verdict::Refuse(ReadError::Gap { stream, seq, next: state.first_seq });
    }
    if seq == 0 || state.first_seq > seq { Verdict::Fine } else { Verdict::IfFrameIsThere }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::{Incarnation, Lane, ShardId};

    fn verdict(first_seq: u64, last_seq: u64, incarnation: u64, seq: u64) -> Verdict {
        let state = StreamState {
            incarnation: Incarnation::new(1),
            first_seq,
            last_seq,
            frames: (last_seq + 1).saturating_sub(first_seq),
            bytes: 0,
            bytes_max: 0,
            first_at: None,
            last_at: None,
        };
        judge(Lane::Orders.on(ShardId(0)), &state, Position { incarnation: Incarnation::new(incarnation), seq })
    }

    #[test]
    fn every_disagreement_is_named() {
        assert!(matches!(verdict(1, 9, 2, 5), Verdict::Refuse(ReadError::OtherIncarnation { .. })));
        assert!(matches!(verdict(1, 4, 1, 5), Verdict::Refuse(ReadError::LostTail { seq: 5, .. })));
        assert!(matches!(verdict(7, 9, 1, 5), Verdict::Refuse(ReadError::Gap { seq: 5, next: 7, .. })));
        assert!(matches!(verdict(2, 9, 1, 0), Verdict::Refuse(ReadError::Gap { seq: 0, next: 2, .. })));
    }

    #[test]
    fn the_frame_at_the_position_is_looked_at_while_it_is_there() {
        assert!(matches!(verdict(5, 9, 1, 5), Verdict::IfFrameIsThere));
        assert!(matches!(verdict(6, 9, 1, 5), Verdict::Fine));
        assert!(matches!(verdict(6, 5, 1, 5), Verdict::Fine));
        assert!(matches!(verdict(1, 0, 1, 0), Verdict::Fine));
        assert!(matches!(verdict(1, 9, 1, 0), Verdict::Fine));
    }
}
