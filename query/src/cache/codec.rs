//! An entry as bytes in Redis, all numbers big-endian:
//!
//! | bytes | |
//! |---|---|
//! | 1 | version, 6 |
//! | 1 | bit 0: there is a body; bit 1: it shows no order |
//! | 2 | how many positions, then each: kind of stream (1), shard (2), incarnation (8), sequence number (8) |
//! | 2 | how many things are watched, then each: kind of stream (1), shard (2), what follows (1), and a key (8) or two hours (4 + 4) |
//! | the rest | the body |

use bytes::Bytes;
use forebay_model::{Incarnation, Position, ShardId, StreamId, StreamKind};

use super::entry::{CacheEntry, Watch, Watched};
use crate::position::read_at::ReadAt;

/// Which form of entries this version writes and reads.
pub const VERSION: u8 = 6;
const HAS_BODY: u8 = 1;
const IS_EMPTY: u8 = 2;
const KEY: u8 = 0;
const HOURS: u8 = 1;

/// A whole entry as bytes.
pub(crate) fn encode(entry: &CacheEntry) -> Vec<u8> {
    let body = entry.body.as_deref().unwrap_or_default();
    let mut out = Vec::with_capacity(64 + body.len());
    let flags = if entry.body.is_some() { HAS_BODY } else { 0 } | if entry.is_empty { IS_EMPTY } else { 0 };
    out.extend_from_slice(&[VERSION, flags]);
    // A system has at most 4096 shards with two streams each.
    out.extend_from_slice(&(entry.read_at.iter().count() as u16).to_be_bytes());
    for (stream, position) in entry.read_at.iter() {
        push_stream(&mut out, stream);
        out.extend_from_slice(&position.incarnation.get().to_be_bytes());
        out.extend_from_slice(&position.seq.to_be_bytes());
    }
    out.extend_from_slice(&(entry.watched.len() as u16).to_be_bytes());
    for Watched { stream, watch } in &entry.watched {
        push_stream(&mut out, *stream);
        match watch {
            Watch::Key(key) => {
                out.push(KEY);
                out.extend_from_slice(&key.to_be_bytes());
            }
            Watch::Hours { first, last } => {
                out.push(HOURS);
                out.extend_from_slice(&first.to_be_bytes());
                out.extend_from_slice(&last.to_be_bytes());
            }
        }
    }
    out.extend_from_slice(body);
    out
}

/// Reads an entry. Bytes that were not written here give `None`.
pub(crate) fn decode(bytes: &Bytes) -> Option<CacheEntry> {
    let mut rest = Rest(bytes);
    let [version, flags] = rest.take()?;
    if version != VERSION || flags & !(HAS_BODY | IS_EMPTY) != 0 {
        return None;
    }
    let mut read_at = ReadAt::default();
    for _ in 0..u16::from_be_bytes(rest.take()?) {
        let stream = rest.stream()?;
        let incarnation = Incarnation::new(u64::from_be_bytes(rest.take()?));
        read_at.note(stream, Some(Position { incarnation, seq: u64::from_be_bytes(rest.take()?) }));
    }
    let watched = (0..u16::from_be_bytes(rest.take()?)).map(|_| rest.watched()).collect::<Option<Vec<_>>>()?;
    let body = bytes.slice_ref(rest.0);
    let has_body = flags & HAS_BODY != 0;
    if !has_body && !body.is_empty() {
        return None;
    }
    let body = has_body.then_some(body);
    Some(CacheEntry { body, is_empty: flags & IS_EMPTY != 0, read_at, watched, is_whole: true })
}

fn push_stream(out: &mut Vec<u8>, stream: StreamId) {
    out.push(stream.kind.code());
    out.extend_from_slice(&stream.shard.0.to_be_bytes());
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn stream(&mut self) -> Option<StreamId> {
        let [code] = self.take()?;
        let kind = StreamKind::from_code(code)?;
        Some(kind.on(ShardId(u16::from_be_bytes(self.take()?))))
    }

    fn watched(&mut self) -> Option<Watched> {
        let stream = self.stream()?;
        let watch = match self.take()? {
            [KEY] => Watch::Key(u64::from_be_bytes(self.take()?)),
            [HOURS] => {
                let (first, last) = (i32::from_be_bytes(self.take()?), i32::from_be_bytes(self.take()?));
                Watch::Hours { first, last }
            }
            _ => return None,
        };
        Some(Watched { stream, watch })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn entries()(
            body in prop::option::of(prop::collection::vec(any::<u8>(), 0..50)),
            is_empty in any::<bool>(),
            positions in prop::collection::vec((0..StreamKind::ALL.len(), any::<u16>(), any::<u64>(), any::<u64>()), 0..5),
            watched in prop::collection::vec((0..StreamKind::ALL.len(), any::<u16>(), any::<u64>(), any::<bool>()), 0..5),
        ) -> CacheEntry {
            let mut read_at = ReadAt::default();
            for (kind, shard, incarnation, seq) in positions {
                let position = Position { incarnation: Incarnation::new(incarnation), seq };
                read_at.note(StreamKind::ALL[kind].on(ShardId(shard)), Some(position));
            }
            let watched = watched.into_iter().map(|(kind, shard, key, is_key)| {
                let hours = Watch::Hours { first: key as i32, last: (key >> 32) as i32 };
                let watch = if is_key { Watch::Key(key) } else { hours };
                Watched { stream: StreamKind::ALL[kind].on(ShardId(shard)), watch }
            });
            CacheEntry {
                body: body.map(Bytes::from), is_empty, read_at, watched: watched.collect(), is_whole: true,
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again_and_a_part_of_it_never_as_something_else(entry in entries(), cut in 0.0..1.0f64) {
            let bytes = Bytes::from(encode(&entry));
            prop_assert_eq!(decode(&bytes), Some(entry.clone()));
            let head = bytes.len() - entry.body.as_ref().map_or(0, Bytes::len);
            prop_assert_eq!(decode(&bytes.slice(..(cut * head as f64) as usize)), None);
        }

        #[test]
        fn bytes_from_anywhere_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(entry) = decode(&Bytes::from(bytes.clone())) {
                prop_assert_eq!(decode(&Bytes::from(encode(&entry))), Some(entry));
            }
        }
    }
}
