//! A notice as bytes, all numbers big-endian:
//!
//! | bytes | |
//! |---|---|
//! | 1 | version, 4 |
//! | 1 | kind of stream: its code |
//! | 2 | shard |
//! | 16 | before: incarnation, sequence number |
//! | 16 | after: the same |
//! | 8 | committed at, microseconds since 1970 |
//! | 1 | 0: everything was touched; 1: what follows |
//! | 2 + 8 each | keys: how many, then each |
//! | 2 + 4 each | hours: how many, then each |
//! | 2 + 42 each | derived: how many, then of each the target, through, published (positions as above), owed since or 0 |

use forebay_model::{DerivedThrough, Incarnation, Position, ShardId, StreamKind, Timestamp, Touched};

use crate::notice::Notice;

/// Which form of notices this version writes and reads.
pub const VERSION: u8 = 4;

/// Why bytes are no notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoticeFault {
    /// Another version, or something else altogether.
    #[error("it is of an unknown version")]
    Version,
    /// The bytes end too early.
    #[error("it ends too early")]
    Short,
    /// There are bytes behind the end.
    #[error("it goes on behind its end")]
    Long,
    /// A number that stands for nothing.
    #[error("it makes no sense")]
    Value,
}

impl Notice {
    /// The notice as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, self.stream.kind.code()];
        out.extend_from_slice(&self.stream.shard.0.to_be_bytes());
        for position in [self.before, self.after] {
            push_position(&mut out, position);
        }
        out.extend_from_slice(&self.committed_at.unix_us().to_be_bytes());
        match &self.touched {
            Touched::These { keys, hours } if keys.len().max(hours.len()) <= LISTED_MAX => {
                out.push(1);
                out.extend_from_slice(&(keys.len() as u16).to_be_bytes());
                out.extend(keys.iter().flat_map(|key| key.to_be_bytes()));
                out.extend_from_slice(&(hours.len() as u16).to_be_bytes());
                out.extend(hours.iter().flat_map(|hour| hour.to_be_bytes()));
            }
            // A notice of more than can be written is less precise, never a wrong notice.
            Touched::Everything | Touched::These { .. } => out.push(0),
        }
        out.extend_from_slice(&(self.derived.len() as u16).to_be_bytes());
        for derived in &self.derived {
            out.extend_from_slice(&derived.target.0.to_be_bytes());
            push_position(&mut out, derived.through);
            push_position(&mut out, derived.published);
            out.extend_from_slice(&derived.owed_since.map_or(0, Timestamp::unix_us).to_be_bytes());
        }
        out
    }

    /// Reads a notice. Bytes from anywhere give an error, never a panic.
    ///
    /// # Errors
    /// [`NoticeFault`].
    pub fn decode(bytes: &[u8]) -> Result<Self, NoticeFault> {
        let mut bytes = Cursor(bytes);
        if bytes.take()? != [VERSION] {
            return Err(NoticeFault::Version);
        }
        let [kind] = bytes.take()?;
        let notice = Self {
            stream: StreamKind::from_code(kind)
                .ok_or(NoticeFault::Value)?
                .on(ShardId(u16::from_be_bytes(bytes.take()?))),
            before: bytes.position()?,
            after: bytes.position()?,
            committed_at: Timestamp::from_unix_us(i64::from_be_bytes(bytes.take()?)),
            touched: bytes.touched()?,
            derived: bytes.list(Cursor::derived)?,
        };
        if bytes.0.is_empty() { Ok(notice) } else { Err(NoticeFault::Long) }
    }
}

/// More keys or hours than that are not listed: everything counts as touched. Enough for a batch of ten thousand rows, and at most
/// 192 KiB of a notice.
const LISTED_MAX: usize = 16_384;

fn push_position(out: &mut Vec<u8>, position: Position) {
    out.extend_from_slice(&position.incarnation.get().to_be_bytes());
    out.extend_from_slice(&position.seq.to_be_bytes());
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], NoticeFault> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(NoticeFault::Short)?;
        self.0 = rest;
        Ok(*head)
    }

    fn position(&mut self) -> Result<Position, NoticeFault> {
        let incarnation = Incarnation::new(u64::from_be_bytes(self.take()?));
        Ok(Position { incarnation, seq: u64::from_be_bytes(self.take()?) })
    }

    fn derived(&mut self) -> Result<DerivedThrough, NoticeFault> {
        Ok(DerivedThrough {
            target: ShardId(u16::from_be_bytes(self.take()?)),
            through: self.position()?,
            published: self.position()?,
            owed_since: Some(i64::from_be_bytes(self.take()?)).filter(|&us| us != 0).map(Timestamp::from_unix_us),
        })
    }

    fn touched(&mut self) -> Result<Touched, NoticeFault> {
        match self.take()? {
            [0] => Ok(Touched::Everything),
            [1] => {
                let keys = self.list(|bytes| Ok(u64::from_be_bytes(bytes.take()?)))?;
                let hours = self.list(|bytes| Ok(i32::from_be_bytes(bytes.take()?)))?;
                Ok(Touched::These { keys, hours })
            }
            _ => Err(NoticeFault::Value),
        }
    }

    fn list<T>(&mut self, one: impl Fn(&mut Self) -> Result<T, NoticeFault>) -> Result<Vec<T>, NoticeFault> {
        let count = u16::from_be_bytes(self.take()?);
        if usize::from(count) > LISTED_MAX {
            return Err(NoticeFault::Value);
        }
        (0..count).map(|_| one(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    prop_compose! {
        fn position()(incarnation: u64, seq: u64) -> Position {
            Position { incarnation: Incarnation::new(incarnation), seq }
        }
    }

    fn touched() -> impl Strategy<Value = Touched> {
        let these = (vec(any::<u64>(), 0..50), vec(any::<i32>(), 0..50));
        prop_oneof![Just(Touched::Everything), these.prop_map(|(keys, hours)| Touched::These { keys, hours })]
    }

    prop_compose! {
        fn derived()(target: u16, through in position(), published in position(), us in prop::option::of(1i64..)) -> DerivedThrough {
            let owed_since = us.map(Timestamp::from_unix_us);
            DerivedThrough { target: ShardId(target), through, published, owed_since }
        }
    }

    prop_compose! {
        fn notice()(
            kind in proptest::sample::select(StreamKind::ALL.to_vec()),
            shard: u16,
            before in position(),
            after in position(),
            at: i64,
            touched in touched(),
            derived in vec(derived(), 0..4),
        ) -> Notice {
            let committed_at = Timestamp::from_unix_us(at);
            Notice { stream: kind.on(ShardId(shard)), before, after, committed_at, touched, derived }
        }
    }

    proptest! {
        #[test]
        fn written_and_read_again_is_the_same(notice in notice()) {
            prop_assert_eq!(Notice::decode(&notice.encode()), Ok(notice));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..200)) {
            let _ = Notice::decode(&bytes);
        }

        #[test]
        fn a_notice_with_bytes_missing_or_changed_makes_no_panic(notice in notice(), cut: u16, at: u16, value: u8) {
            let mut bytes = notice.encode();
            let cut = usize::from(cut) % bytes.len();
            prop_assert_eq!(Notice::decode(&bytes[..cut]), Err(NoticeFault::Short));
            let at = usize::from(at) % bytes.len();
            bytes[at] = value;
            let _ = Notice::decode(&bytes);
        }
    }

    #[test]
    fn what_is_no_notice_says_why() {
        let at = Position { incarnation: Incarnation::new(1), seq: 2 };
        let good = Notice::heartbeat(StreamKind::Derived.on(ShardId(3)), at, Timestamp::from_unix_us(4)).encode();
        let changed = |place: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[place] = value;
            Notice::decode(&bytes)
        };
        assert_eq!(changed(0, 1), Err(NoticeFault::Version));
        assert_eq!(changed(1, 9), Err(NoticeFault::Value));
        assert_eq!(changed(44, 2), Err(NoticeFault::Value));
        let mut long = good.clone();
        long.push(0);
        assert_eq!(Notice::decode(&long), Err(NoticeFault::Long));
    }

    #[test]
    fn too_much_to_write_counts_as_everything() {
        let at = Position { incarnation: Incarnation::new(1), seq: 2 };
        let mut notice = Notice::heartbeat(StreamKind::Logged.on(ShardId(0)), at, Timestamp::from_unix_us(0));
        for (keys, hours) in [(LISTED_MAX, LISTED_MAX), (LISTED_MAX + 1, 1), (1, LISTED_MAX + 1)] {
            notice.touched = Touched::these((0..keys as u64).collect(), (0..hours as i32).collect());
            let told = Notice::decode(&notice.encode()).unwrap().touched;
            let expected = if keys.max(hours) > LISTED_MAX { Touched::Everything } else { notice.touched.clone() };
            assert_eq!(told, expected);
        }
    }
}
