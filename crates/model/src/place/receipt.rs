//! Receipts: the places in the logs that hold what a request brought. A reader who presents one is shown an answer
//! that holds all of it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::{Incarnation, Position, ShardId, StreamId, StreamKind};

/// For each stream that a request reached, the last position that holds a part of it.
///
/// As text it is a list, joined by `~`, of kind of stream (its letter: `l` or `d`), shard, incarnation and sequence number, such as
/// `l0.h8s2k1.4711`; incarnations are in base 36. It is safe in a URL and in a header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt(BTreeMap<StreamId, Position>);

/// A text that is no receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a receipt that Forebay gave")]
pub struct NotAReceipt;

/// More parts than any real receipt has: kinds of streams times shards, generously.
const PARTS_MAX: usize = 4096;

impl Receipt {
    /// Notes that a part of the request lies at `position`; the later of two positions in one stream stays.
    pub fn note(&mut self, stream: StreamId, position: Position) {
        let known = self.0.entry(stream).or_insert(position);
        if (position.incarnation, position.seq) > (known.incarnation, known.seq) {
            *known = position;
        }
    }

    /// Takes over every position of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (stream, position) in other.positions() {
            self.note(stream, position);
        }
    }

    /// Every stream and position.
    pub fn positions(&self) -> impl Iterator<Item = (StreamId, Position)> + '_ {
        self.0.iter().map(|(&stream, &position)| (stream, position))
    }

    /// The position in one stream, where the request reached it.
    pub fn position(&self, stream: StreamId) -> Option<Position> {
        self.0.get(&stream).copied()
    }

    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (stream, position)) in self.positions().enumerate() {
            let separator = if i == 0 { "" } else { "~" };
            let incarnation = Base36(position.incarnation.get());
            write!(f, "{separator}{}{}.{incarnation}.{}", stream.kind.letter(), stream.shard, position.seq)?;
        }
        Ok(())
    }
}

impl FromStr for Receipt {
    type Err = NotAReceipt;

    fn from_str(text: &str) -> Result<Self, NotAReceipt> {
        let mut receipt = Self::default();
        for (i, part) in text.split('~').enumerate() {
            let (stream, position) = part_from_str(part).filter(|_| i < PARTS_MAX).ok_or(NotAReceipt)?;
            receipt.note(stream, position);
        }
        Ok(receipt)
    }
}

fn part_from_str(part: &str) -> Option<(StreamId, Position)> {
    let kind = StreamKind::ALL.into_iter().find(|&kind| part.starts_with(kind.letter()))?;
    let mut numbers = part[1..].split('.');
    let shard = digits(numbers.next()?)?.parse().ok()?;
    let incarnation = u64::from_str_radix(lower_alphanumeric(numbers.next()?)?, 36).ok()?;
    let seq = digits(numbers.next()?)?.parse().ok()?;
    let position = Position { incarnation: Incarnation::new(incarnation), seq };
    numbers.next().is_none().then_some((kind.on(ShardId(shard)), position))
}

/// Rust's number parsers take a sign; a receipt has none.
fn digits(text: &str) -> Option<&str> {
    text.bytes().all(|b| b.is_ascii_digit()).then_some(text)
}

fn lower_alphanumeric(text: &str) -> Option<&str> {
    text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()).then_some(text)
}

struct Base36(u64);

impl fmt::Display for Base36 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = Vec::new();
        let mut rest = self.0;
        loop {
            digits.push(char::from_digit((rest % 36) as u32, 36).unwrap_or('0'));
            rest /= 36;
            if rest == 0 {
                return digits.iter().rev().try_for_each(|digit| write!(f, "{digit}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_kind() -> impl Strategy<Value = StreamKind> {
        proptest::sample::select(StreamKind::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn written_and_read_again_is_the_same(parts in proptest::collection::vec((any_kind(), 0u16..64, any::<u64>(), any::<u64>()), 1..40)) {
            let mut receipt = Receipt::default();
            for (kind, shard, incarnation, seq) in parts {
                receipt.note(kind.on(ShardId(shard)), Position { incarnation: Incarnation::new(incarnation), seq });
            }
            prop_assert_eq!(receipt.to_string().parse::<Receipt>(), Ok(receipt));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = text.parse::<Receipt>();
        }
    }

    #[test]
    fn refuses_what_it_did_not_write() {
        for text in ["", "l0", "l0.1", "l0.1.2.3", "o0.1.2", "l+1.1.2", "l0.A.2", "l0.1.2~", "l70000.1.2"] {
            assert_eq!(text.parse::<Receipt>(), Err(NotAReceipt), "{text}");
        }
    }

    #[test]
    fn the_later_position_stays() {
        let at = |seq| Position { incarnation: Incarnation::new(1), seq };
        let mut receipt = Receipt::default();
        receipt.note(StreamKind::Logged.on(ShardId(0)), at(7));
        receipt.note(StreamKind::Logged.on(ShardId(0)), at(5));
        assert_eq!(receipt.position(StreamKind::Logged.on(ShardId(0))), Some(at(7)));
    }
}
