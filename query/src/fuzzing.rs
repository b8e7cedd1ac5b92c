//! What must hold for bytes from anywhere: one function per fuzz target. Each panics where it does not hold.
//!
//! Only fuzz targets and tests are built with this module; the tests run it over the seeds of the targets.

use bytes::Bytes;
use forebay_model::Tenant;
use forebay_shard::read::{Direction, Filter, Span};

use crate::cache::codec;
use crate::list::cursor::{self, CursorError, ListDigest};

/// A text that is accepted as a cursor is the one that is written for the same place. So that a fuzzer need not guess
/// digests, the bytes are also taken for what a cursor holds.
///
/// # Panics
/// Where that does not hold.
pub fn cursor(bytes: &[u8]) {
    let list = ListDigest::new(Tenant::none(), &["orders"], Span::ALL, Direction::NewestFirst, Filter::default());
    for text in [String::from_utf8_lossy(bytes).into_owned(), cursor::seal(bytes.to_vec())] {
        match cursor::read(list, &text) {
            Ok(key) => assert_eq!(cursor::write(list, key.borrowed()), text),
            Err(CursorError::Foreign | CursorError::OtherList) => {}
        }
    }
}

/// An entry that is accepted is the same when it is written and read again.
///
/// # Panics
/// Where that does not hold.
pub fn entry(bytes: &[u8]) {
    let Some(entry) = codec::decode(&Bytes::copy_from_slice(bytes)) else { return };
    assert_eq!(codec::decode(&Bytes::from(codec::encode(&entry))), Some(entry));
}

#[cfg(test)]
mod tests {
    use forebay_testkit::seeds;

    use super::*;

    #[test]
    fn the_seeds_of_the_fuzz_targets_hold() {
        seeds::each("cursor", cursor);
        assert!(codec::decode(&Bytes::from_static(include_bytes!("../../tools/fuzz/seeds/entry/body"))).is_some());
        seeds::each("entry", entry);
    }
}
