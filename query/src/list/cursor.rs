//! Cursors: where the next page of a list begins, as an opaque text.
//!
//! A cursor is bound to the list that it was made for: what its reader may see, path, range, direction and filter. It holds, in base64url, a version, a
//! digest of the list, the last key of the page, and a digest of all of that. The digests keep mistakes out; they are no
//! secret, and need none: a cursor that is made up can only point to another place of the same list.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use forebay_model::id::ID_CHARS_MAX;
use forebay_model::{CustomerId, OrderId, Timestamp};
use forebay_shard::read::{Direction, Filter, Key, KeyRef, Span};
use sha2::{Digest, Sha256};

/// Which form of cursors this version writes and reads.
pub(crate) const VERSION: u8 = 2;
const LIST_BYTES: usize = 8;
const SUM_BYTES: usize = 4;
/// Version, list, time, length of the order id, and the digest behind.
const FIXED_BYTES: usize = 1 + LIST_BYTES + 8 + 2 + SUM_BYTES;
/// The longest text of a cursor: both ids at their longest, four bytes a character.
const TEXT_BYTES_MAX: usize = (FIXED_BYTES + 2 * 4 * ID_CHARS_MAX).div_ceil(3) * 4;

/// A text that is no cursor of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CursorError {
    #[error("`cursor` is not a cursor that Forebay gave")]
    Foreign,
    #[error(
        "`cursor` belongs to another list: go on with the path, `from`, `to`, `order`, `kind` and `status` that it was given for"
    )]
    OtherList,
}

/// Which list a cursor belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListDigest([u8; LIST_BYTES]);

impl ListDigest {
    /// What is in sight, as the text of a scope, of the list under a path with these names (its kind and whatever it is of), over a range, in a direction, of what
    /// a filter leaves.
    pub(crate) fn new(
        scope: &dyn fmt::Display,
        names: &[&str],
        span: Span,
        direction: Direction,
        filter: Filter,
    ) -> Self {
        let mut digest = Sha256::new();
        let scope = scope.to_string();
        for name in [&*scope].iter().chain(names) {
            digest.update((name.len() as u64).to_be_bytes());
            digest.update(name);
        }
        digest.update(span.from.unix_us().to_be_bytes());
        digest.update(span.to.unix_us().to_be_bytes());
        digest.update([u8::from(direction == Direction::OldestFirst)]);
        digest.update(filter.to_string());
        Self(head(digest))
    }
}

/// The cursor of the page that follows `last`.
pub(crate) fn write(list: ListDigest, last: KeyRef<'_>) -> String {
    let mut bytes = Vec::with_capacity(FIXED_BYTES + last.order_id.len() + last.customer_id.len());
    bytes.push(VERSION);
    bytes.extend_from_slice(&list.0);
    bytes.extend_from_slice(&last.ordered_at.unix_us().to_be_bytes());
    bytes.extend_from_slice(&(last.order_id.len() as u16).to_be_bytes());
    bytes.extend_from_slice(last.order_id.as_bytes());
    bytes.extend_from_slice(last.customer_id.as_bytes());
    seal(bytes)
}

/// What a cursor holds, with the digest behind it, as text.
pub(crate) fn seal(mut content: Vec<u8>) -> String {
    content.extend_from_slice(&sum(&content));
    URL_SAFE_NO_PAD.encode(content)
}

/// The key after which the page begins.
pub(crate) fn read(list: ListDigest, text: &str) -> Result<Key, CursorError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(CursorError::Foreign);
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError::Foreign)?;
    let (content, given) = bytes.split_last_chunk::<SUM_BYTES>().ok_or(CursorError::Foreign)?;
    if sum(content) != *given {
        return Err(CursorError::Foreign);
    }
    let (of_list, key) = parse(content).ok_or(CursorError::Foreign)?;
    if of_list == list { Ok(key) } else { Err(CursorError::OtherList) }
}

fn parse(content: &[u8]) -> Option<(ListDigest, Key)> {
    let (&version, rest) = content.split_first()?;
    let (&list, rest) = rest.split_first_chunk()?;
    let (&ordered_at, rest) = rest.split_first_chunk()?;
    let (&length, rest) = rest.split_first_chunk()?;
    let (order_id, customer_id) = rest.split_at_checked(usize::from(u16::from_be_bytes(length)))?;
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let key = Key {
        ordered_at: Timestamp::from_unix_us(i64::from_be_bytes(ordered_at)),
        order_id: text(order_id)?,
        customer_id: text(customer_id)?,
    };
    let in_range = Span::ALL.from <= key.ordered_at && key.ordered_at < Span::ALL.to;
    let has_ids = OrderId::new(key.order_id.as_str()).is_ok() && CustomerId::new(key.customer_id.as_str()).is_ok();
    (version == VERSION && in_range && has_ids).then_some((ListDigest(list), key))
}

fn sum(content: &[u8]) -> [u8; SUM_BYTES] {
    head(Sha256::new().chain_update(b"forebay cursor").chain_update(content))
}

fn head<const N: usize>(digest: Sha256) -> [u8; N] {
    let digest = digest.finalize();
    std::array::from_fn(|place| digest[place])
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::{OrderKind, Status, Tenant};
    use proptest::prelude::*;

    fn list(names: &[&str]) -> ListDigest {
        ListDigest::new(Tenant::none(), names, Span::ALL, Direction::NewestFirst, Filter::default())
    }

    #[test]
    fn lists_that_differ_in_anything_have_other_digests() {
        let (at, newest, all) = (Timestamp::from_unix_us, Direction::NewestFirst, Filter::default());
        let orders = |span, direction, filter| ListDigest::new(Tenant::none(), &["orders"], span, direction, filter);
        let of_kind = |kind| orders(Span::ALL, newest, Filter { kind: Some(kind), ..all });
        let of_status = |status| orders(Span::ALL, newest, Filter { status: Some(status), ..all });
        let of_tenant = |tenant: &str, names: &[&str]| {
            ListDigest::new(&Tenant::new(tenant).unwrap(), names, Span::ALL, Direction::NewestFirst, Filter::default())
        };
        let lists = [
            list(&["customer", "ab", "c"]),
            list(&["customer", "a", "bc"]),
            list(&["orders"]),
            of_tenant("a", &["orders"]),
            of_tenant("orders", &[]),
            orders(Span::ALL, Direction::OldestFirst, all),
            orders(Span { from: at(1), ..Span::ALL }, newest, all),
            orders(Span { to: at(1), ..Span::ALL }, newest, all),
            of_kind(OrderKind::Sale),
            of_kind(OrderKind::Return),
            of_status(Status::Placed),
            of_status(Status::Shipped),
        ];
        for (place, one) in lists.iter().enumerate() {
            assert!(!lists[..place].contains(one), "{place}");
        }
    }

    fn any_key() -> impl Strategy<Value = Key> {
        let us = Span::ALL.from.unix_us()..Span::ALL.to.unix_us();
        (us, "[^\\p{Cc}]{1,128}", "[^\\p{Cc}]{1,128}").prop_map(|(us, order_id, customer_id)| Key {
            ordered_at: Timestamp::from_unix_us(us),
            order_id,
            customer_id,
        })
    }

    proptest! {
        #[test]
        fn written_and_read_again_is_the_same(key in any_key()) {
            let text = write(list(&["orders"]), key.borrowed());
            prop_assert!(text.len() <= TEXT_BYTES_MAX);
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "not safe in a URL");
            prop_assert_eq!(read(list(&["orders"]), &text), Ok(key));
            prop_assert_eq!(read(list(&["seller", "S7"]), &text), Err(CursorError::OtherList));
        }

        #[test]
        fn one_changed_character_is_noticed(key in any_key(), place: prop::sample::Index, other in "[A-Za-z0-9_-]") {
            let text = write(list(&["orders"]), key.borrowed());
            let place = place.index(text.len());
            let forged = format!("{}{other}{}", &text[..place], &text[place + 1..]);
            prop_assume!(forged != text);
            prop_assert_eq!(read(list(&["orders"]), &forged), Err(CursorError::Foreign));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(read(list(&["orders"]), &text).is_err());
            prop_assert!(parse(&bytes).is_none_or(|(_, key)| !key.order_id.is_empty()));
        }
    }
}
