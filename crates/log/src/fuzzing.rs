//! What must hold for bytes from anywhere: one function per fuzz target. Each panics where it does not hold.
//!
//! Only fuzz targets and tests are built with this module; the tests run it over the seeds of the targets.

use bytes::Bytes;
use forebay_model::{Incarnation, Lane, Position, ShardId, Timestamp, Touched, TupleIndex};

use crate::frame::headers::readable_headers;
use crate::frame::sum;
use crate::{Notice, StoredFrame};

/// The bit of a message's first byte that gives it the checksum that it should have. Chance finds none.
const SUMMED: u8 = 0x80;

/// A notice that is accepted is the same when it is written and read again.
///
/// # Panics
/// Where that does not hold.
pub fn notice(bytes: &[u8]) {
    let Ok(notice) = Notice::decode(bytes) else { return };
    assert_eq!(Notice::decode(&notice.encode()), Ok(notice));
}

/// A message, its headers before its payload, is a frame that says the same when its headers are written and read again,
/// or is kept as what it is, or is a damaged frame. What it touches can be told in a notice.
///
/// # Panics
/// Where that does not hold.
pub fn frame(bytes: &[u8]) {
    let Some((&first, message)) = bytes.split_first() else { return };
    let lane = Lane::ALL[usize::from(first & !SUMMED) % Lane::ALL.len()];
    let end = message.windows(4).position(|end| end == b"\r\n\r\n").map_or(message.len(), |end| end + 4);
    let (headers, payload) = message.split_at(end);
    let position = Position { incarnation: Incarnation::new(1), seq: 1 };
    let mut headers = readable_headers(headers);
    if first & SUMMED != 0 && !headers.is_empty() {
        headers.insert(sum::SUM, sum::as_text(sum::sum(&headers, payload)));
    }
    let read = StoredFrame::from_message(lane.into(), position, &headers, Bytes::copy_from_slice(payload));
    let stored = match read {
        Ok(stored) => stored,
        Err(damaged) => return assert!(damaged.position == position && damaged.payload == payload),
    };
    assert!(stored.rows() > 0 && payload.starts_with(stored.payload()));
    if let Ok(frame) = &stored.frame {
        let (headers, body) = frame.message();
        let again = StoredFrame::from_message(lane.into(), position, &headers, body);
        assert_eq!(again.as_ref(), Ok(&stored));
    }
    let touched = Touched::by([(Some(lane), &TupleIndex::of(lane, stored.payload()))]);
    let (stream, committed_at) = (lane.on(ShardId(0)), Timestamp::EARLIEST);
    let told = Notice { stream, before: position, after: position, committed_at, touched, derived: Vec::new() };
    assert_eq!(Notice::decode(&told.encode()), Ok(told));
}

#[cfg(test)]
mod tests {
    use forebay_testkit::seeds;

    use super::*;

    #[test]
    fn the_seeds_of_the_fuzz_targets_hold() {
        assert!(Notice::decode(include_bytes!("../../../tools/fuzz/seeds/notice/these")).is_ok());
        seeds::each("notice", notice);
        seeds::each("frame", frame);
    }
}
