//! Facts as PostgreSQL binary COPY tuples: a 16-bit field count, then for each field a 32-bit length and its bytes.
//! Source: the section "Binary Format" of <https://www.postgresql.org/docs/current/sql-copy.html>, and each type's
//! `recv` function.

mod index;
mod order;
mod read;
mod write;

pub use index::{TupleEntry, TupleFault, TupleIndex, key_prefix};
pub use read::{Tuple, TupleError, Tuples};
pub(crate) use write::push_index_of;
pub(crate) use write::push_view_event;
pub use write::{push_event, push_order, push_view};

/// What stands before the first tuple of a COPY: signature, flags, length of the header extension.
pub const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What stands behind the last tuple of a COPY: a field count of -1.
pub const COPY_TRAILER: &[u8] = &(-1i16).to_be_bytes();

/// The version byte in front of the text of a `jsonb`.
const JSONB_VERSION: u8 = 1;
