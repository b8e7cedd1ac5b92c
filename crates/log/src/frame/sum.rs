//! The checksum of a frame: made when it is published, and compared whenever it is read.
//!
//! The bytes of a frame go to COPY as they stand in the log, so whatever happened to them on a disk would be stored. NATS servers
//! have been seen to give blocks that were damaged. It covers everything by which a frame is read: the payload, each header of
//! ours and the message's id.

use async_nats::HeaderMap;
use xxhash_rust::xxh3::Xxh3;

use super::headers::{ID, excerpt};

/// The checksum, as 16 hexadecimal digits in lower case.
pub(crate) const SUM: &str = "Forebay-Sum";
/// What the names of our headers begin with.
const OURS: &str = "Forebay-";

/// How a frame is not as it was published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It has headers of a frame, and none with a checksum, or several.
    #[error("its checksum is missing, or stands there twice")]
    NoSum,
    /// It is not what its checksum was made of.
    #[error("its checksum is {found:?}, and that of its bytes {expected:016x}")]
    Sum {
        /// The checksum of what is there.
        expected: u64,
        /// What the header says, cut where it is long.
        found: Box<str>,
    },
}

/// The checksum of a message with these headers: XXH3-64 of a line `name:value` for each of them that is covered, in the order
/// of their bytes, an empty line, and the payload.
pub(crate) fn sum(headers: &HeaderMap, payload: &[u8]) -> u64 {
    let covered = headers.iter().filter(|(name, _)| is_covered(name.as_ref()));
    let mut lines: Vec<(&str, &str)> =
        covered.flat_map(|(name, values)| values.iter().map(move |value| (name.as_ref(), value.as_str()))).collect();
    lines.sort_unstable();
    let mut hash = Xxh3::new();
    for (name, value) in lines {
        for text in [name, ":", value, "\n"] {
            hash.update(text.as_bytes());
        }
    }
    hash.update(b"\n");
    hash.update(payload);
    hash.digest()
}

/// A checksum as it stands in its header.
pub(crate) fn as_text(sum: u64) -> String {
    format!("{sum:016x}")
}

/// Whether a message is as it was published. One without any header of ours never was a frame, and nothing is known of it.
pub(crate) fn check(headers: &HeaderMap, payload: &[u8]) -> Result<(), Damage> {
    if !headers.iter().any(|(name, _)| is_ours(name.as_ref())) {
        return Ok(());
    }
    let mut sums = headers.get_all(SUM);
    let (Some(found), None) = (sums.next(), sums.next()) else { return Err(Damage::NoSum) };
    let expected = sum(headers, payload);
    // As texts: a digit whose case was flipped is damage, too.
    if found.as_str() == as_text(expected) {
        return Ok(());
    }
    Err(Damage::Sum { expected, found: excerpt(found.as_str()).into() })
}

fn is_ours(name: &str) -> bool {
    name.get(..OURS.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(OURS))
}

fn is_covered(name: &str) -> bool {
    (is_ours(name) && name != SUM) || name == ID
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use bytes::Bytes;
    use forebay_model::{Claimant, Claims, Epoch, Incarnation, Lane, Position, RequestId, Timestamp};
    use proptest::prelude::*;

    use super::*;
    use crate::frame::Frame;
    use crate::frame::headers::readable_headers;
    use crate::frame::id::FrameId;
    use crate::frame::kind::FrameKind;
    use crate::frame::stored::{StoredFrame, Unreadable, UnreadableFrame};

    const POSITION: Position = Position { incarnation: Incarnation::new(1), seq: 9 };

    prop_compose! {
        fn frames()(
            lane in prop::sample::select(Lane::ALL.to_vec()),
            rows in 1..=u32::MAX,
            epoch: u64,
            time: i64,
            payload in prop::collection::vec(any::<u8>(), 1..40),
            claimed: Option<u64>,
        ) -> Frame {
            let (epoch, enqueued_at) = (Epoch(epoch), Timestamp::from_unix_us(time));
            let mut claims = Claims::default();
            if let Some(random) = claimed {
                claims.push(0, Claimant { request: RequestId::new(enqueued_at, random), letter: None });
            }
            Frame { kind: lane.into(), rows, epoch, enqueued_at, id: FrameId::random(), payload: payload.into(), claims }
        }
    }

    /// A header block as a server keeps it, and which of its bytes say something: what is between them may be read either way.
    fn block(headers: &HeaderMap) -> (Vec<u8>, Vec<bool>) {
        let (mut text, mut says) = (String::from("NATS/1.0\r\n"), vec![false; 10]);
        for (name, values) in headers.iter() {
            let (name, value) = (name.to_string(), values[0].as_str());
            let _ = write!(text, "{name}: {value}\r\n");
            says.extend(vec![true; name.len() + 1]);
            says.push(false);
            says.extend(vec![true; value.len()]);
            says.extend([false; 2]);
        }
        text.push_str("\r\n");
        says.extend([false; 2]);
        (text.into_bytes(), says)
    }

    fn read(kind: FrameKind, block: &[u8], payload: &[u8]) -> Result<StoredFrame, UnreadableFrame> {
        StoredFrame::from_message(kind, POSITION, &readable_headers(block), Bytes::copy_from_slice(payload))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn any_bit_that_is_flipped_is_noticed(frame in frames()) {
            let (headers, body) = frame.message();
            let (block, says) = block(&headers);
            let whole = StoredFrame { position: POSITION, kind: frame.kind, id: Some(frame.id.clone()), frame: Ok(frame.clone()) };
            prop_assert_eq!(read(frame.kind, &block, &body), Ok(whole.clone()));
            for bit in 0..block.len() * 8 {
                let mut flipped = block.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                match read(frame.kind, &flipped, &body) {
                    Ok(read) => prop_assert!(read == whole && !says[bit / 8], "bit {} of the headers", bit),
                    Err(damaged) => prop_assert_eq!(damaged.position, POSITION),
                }
            }
            for bit in 0..body.len() * 8 {
                let mut flipped = body.to_vec();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let read = read(frame.kind, &block, &flipped);
                prop_assert!(matches!(read, Err(UnreadableFrame { why: Unreadable::Damaged(Damage::Sum { .. }), .. })), "bit {}", bit);
            }
        }

        #[test]
        fn a_payload_that_is_cut_or_longer_is_noticed(frame in frames(), more: u8) {
            let (headers, body) = frame.message();
            prop_assert!(check(&headers, &body).is_ok());
            prop_assert!(check(&headers, &body[1..]).is_err());
            prop_assert!(check(&headers, &body[..body.len() - 1]).is_err());
            prop_assert!(check(&headers, &[&body[..], &[more]].concat()).is_err());
        }
    }

    /// Programs of other versions must come to the same.
    #[test]
    fn the_checksum_is_of_lines_and_payload() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("Forebay-Rows", "1"), ("Nats-Msg-Id", "a"), ("Other", "x"), ("Forebay-Sum", "?")] {
            headers.insert(name, value);
        }
        let lines = b"Forebay-Rows:1\nNats-Msg-Id:a\n\npayload";
        assert_eq!(sum(&headers, b"payload"), xxhash_rust::xxh3::xxh3_64(lines));
    }

    #[test]
    fn what_never_was_a_frame_is_not_damaged() {
        let mut headers = HeaderMap::new();
        assert_eq!(check(&headers, b"rubbish"), Ok(()));
        headers.insert("Nats-Msg-Id", "somebody else's");
        assert_eq!(check(&headers, b"rubbish"), Ok(()));
        headers.insert("forebay-rows", "1");
        assert_eq!(check(&headers, b"rubbish"), Err(Damage::NoSum));
        headers.insert(SUM, as_text(sum(&headers, b"rubbish")));
        assert_eq!(check(&headers, b"rubbish"), Ok(()));
        headers.append(SUM, as_text(0));
        assert_eq!(check(&headers, b"rubbish"), Err(Damage::NoSum));
    }
}
