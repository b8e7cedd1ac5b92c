//! What cursors and entries of caches look like, byte for byte: clients keep cursors, and query processes of two versions share a Redis.

use bytes::Bytes;
use forebay_model::{Incarnation, Position, ShardId, StreamKind, Tenant, Timestamp};
use forebay_shard::read::{Direction, Filter, Key, Span};
use forebay_testkit::golden;

use crate::cache::codec;
use crate::cache::entry::{CacheEntry, Watch, Watched};
use crate::list::cursor::{self, CursorError, ListDigest};
use crate::position::read_at::ReadAt;

#[test]
fn cursors_keep_their_form() {
    let list = ListDigest::new(Tenant::none(), &["seller", "S7"], Span::ALL, Direction::NewestFirst, Filter::default());
    let key = Key {
        ordered_at: Timestamp::from_unix_us(1_750_000_000_000_001),
        order_id: "ORD-é".to_owned(),
        customer_id: "C 1".to_owned(),
    };
    let kept = golden!(format!("cursor-{}.txt", cursor::VERSION), cursor::write(list, key.borrowed()));
    assert_eq!(cursor::read(list, std::str::from_utf8(&kept).unwrap()), Ok(key));
    // Of a later version, with its digest right.
    let later = cursor::seal(vec![cursor::VERSION + 1; 40]);
    assert_eq!(cursor::read(list, &later), Err(CursorError::Foreign));
}

#[test]
fn cache_entries_keep_their_form() {
    let at = |incarnation, seq| Some(Position { incarnation: Incarnation::new(incarnation), seq });
    let (logged, derived) = (StreamKind::Logged.on(ShardId(0)), StreamKind::Derived.on(ShardId(258)));
    let mut read_at = ReadAt::default();
    read_at.note(logged, at(1_750_000_000_000_001, 4711));
    read_at.note(derived, at(1, u64::MAX));
    let watched = vec![
        Watched { stream: logged, watch: Watch::Key(0x0123_4567_89ab_cdef) },
        Watched { stream: derived, watch: Watch::Hours { first: -1, last: 486_111 } },
    ];
    let body = Some(Bytes::from_static(b"{\"data\":[]}"));
    let list = CacheEntry { body, is_empty: true, read_at, watched, is_whole: true };
    let nothing = CacheEntry { body: None, is_empty: false, watched: Vec::new(), ..list.clone() };
    for (name, entry) in [("list", list), ("nothing", nothing)] {
        let kept = golden!(format!("cache-entry-{}-{name}.hex", codec::VERSION), codec::encode(&entry));
        assert_eq!(codec::decode(&kept.clone().into()), Some(entry));
        let later = [&[codec::VERSION + 1], &kept[1..]].concat();
        assert_eq!(codec::decode(&later.into()), None);
    }
}
