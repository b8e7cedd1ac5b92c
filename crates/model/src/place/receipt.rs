//! Receipts: which request it was, and the places in the logs that hold what it brought. A reader who presents one is shown an
//! answer that holds all of it, and is told what became of it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::{Incarnation, Position, RequestId, ShardId, StreamId, StreamKind};

/// A request, and for each stream that it reached the last position that holds a part of it.
///
/// As text it is a list, joined by `~`: the request, as `r` with its number, pieces and orders, such as `r1k2j3.1.20000`, and of
/// each position kind of stream (its letter: `l` or `d`), shard, incarnation and sequence number, such as `l0.h8s2k1.4711`. Numbers
/// of requests and incarnations are in base 36. It is safe in a URL and in a header, and as short for a long batch as for an order.
///
/// Positions that an answer was read at have the same form, without a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    accepted: Option<Accepted>,
    positions: BTreeMap<StreamId, Position>,
}

/// What was accepted of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its number, which is that of its first piece.
    pub request: RequestId,
    /// How many pieces were settled. What lies behind them of a batch that was cut short is not the receipt's.
    pub pieces: u32,
    /// How many orders these have.
    pub orders: u64,
}

/// A text that is no receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a receipt that Forebay gave")]
pub struct NotAReceipt;

/// More parts than any real receipt has: kinds of streams times shards, generously.
const PARTS_MAX: usize = 4096;

impl Receipt {
    /// Says which request it is of.
    #[must_use]
    pub fn of(self, accepted: Accepted) -> Self {
        Self { accepted: Some(accepted), ..self }
    }

    /// Which request it is of; `None` for positions of another kind.
    pub fn accepted(&self) -> Option<Accepted> {
        self.accepted
    }

    /// Notes that a part of the request lies at `position`; the later of two positions in one stream stays.
    pub fn note(&mut self, stream: StreamId, position: Position) {
        let known = self.positions.entry(stream).or_insert(position);
        *known = known.later(position);
    }

    /// Takes over every position of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (stream, position) in other.positions() {
            self.note(stream, position);
        }
    }

    /// The same with the positions of these streams only.
    #[must_use]
    pub fn only(&self, is_kept: impl Fn(StreamId) -> bool) -> Self {
        let kept = self.positions().filter(|(stream, _)| is_kept(*stream)).collect();
        Self { accepted: self.accepted, positions: kept }
    }

    /// Every stream and position.
    pub fn positions(&self) -> impl Iterator<Item = (StreamId, Position)> + '_ {
        self.positions.iter().map(|(&stream, &position)| (stream, position))
    }

    /// The position in one stream, where the request reached it.
    pub fn position(&self, stream: StreamId) -> Option<Position> {
        self.positions.get(&stream).copied()
    }

    /// Whether it names no position.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(Accepted { request, pieces, orders }) = self.accepted {
            write!(f, "r{}.{pieces}.{orders}", Base36(request.number()))?;
            separator = "~";
        }
        for (stream, position) in self.positions() {
            let incarnation = Base36(position.incarnation.get().into());
            write!(f, "{separator}{}{}.{incarnation}.{}", stream.kind.letter(), stream.shard, position.seq)?;
            separator = "~";
        }
        Ok(())
    }
}

impl FromStr for Receipt {
    type Err = NotAReceipt;

    fn from_str(text: &str) -> Result<Self, NotAReceipt> {
        let (accepted, positions) = match text.strip_prefix('r') {
            Some(rest) => {
                let (accepted, positions) = rest.split_once('~').ok_or(NotAReceipt)?;
                (Some(accepted_from_str(accepted).ok_or(NotAReceipt)?), positions)
            }
            None => (None, text),
        };
        let mut receipt = Self { accepted, ..Self::default() };
        for (i, part) in positions.split('~').enumerate() {
            let (stream, position) = part_from_str(part).filter(|_| i < PARTS_MAX).ok_or(NotAReceipt)?;
            receipt.note(stream, position);
        }
        Ok(receipt)
    }
}

fn accepted_from_str(part: &str) -> Option<Accepted> {
    let mut numbers = part.split('.');
    let request = u128::from_str_radix(lower_alphanumeric(numbers.next()?)?, 36).ok()?;
    let request = Some(RequestId::from_number(request)).filter(|known| known.number() == request)?;
    let pieces = digits(numbers.next()?)?.parse().ok()?;
    let orders = digits(numbers.next()?)?.parse().ok()?;
    numbers.next().is_none().then_some(Accepted { request, pieces, orders })
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

struct Base36(u128);

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
    use crate::Timestamp;
    use proptest::prelude::*;

    fn any_kind() -> impl Strategy<Value = StreamKind> {
        proptest::sample::select(StreamKind::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn written_and_read_again_is_the_same(accepted in prop::option::of(any::<(u32, u64, u32, u64)>()), parts in proptest::collection::vec((any_kind(), 0u16..64, any::<u64>(), any::<u64>()), 1..40)) {
            let mut receipt = Receipt::default();
            if let Some((second, random, pieces, orders)) = accepted {
                let at = Timestamp::from_unix_us(i64::from(second) * 1_000_000);
                receipt = receipt.of(Accepted { request: RequestId::new(at, random), pieces, orders });
            }
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
        for text in [
            "",
            "l0",
            "l0.1",
            "l0.1.2.3",
            "o0.1.2",
            "l+1.1.2",
            "l0.A.2",
            "l0.1.2~",
            "l70000.1.2",
            "r1.1.1",
            "r1.1.1~",
            "r1.1~l0.1.2",
            "rA.1.1~l0.1.2",
            "r1.1.1.1~l0.1.2",
            "l0.1.2~r1.1.1",
            "r-1.1.1~l0.1.2",
            "rzzzzzzzzzzzzzzzzzzz.1.1~l0.1.2",
        ] {
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
