//! What is kept: an answer, and what it depends on.

use bytes::Bytes;
use forebay_model::StreamId;

use crate::position::read_at::ReadAt;

/// An answer as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CacheEntry {
    /// JSON; `None` where there is no such order.
    pub(crate) body: Option<Bytes>,
    /// Whether it shows no order. Such answers are kept for a short time only: there is no end to what is not there.
    pub(crate) is_empty: bool,
    /// The positions that it was read at: of every shard that was looked at for it. Who owns a unit changes by their commits alone.
    pub(crate) read_at: ReadAt,
    /// What would change it. What was read and is not named here cannot change it as long as the log is the same: an order
    /// that was found stays.
    pub(crate) watched: Vec<Watched>,
    /// Whether every shard has said its part, and all that would change the answer is known.
    pub(crate) is_whole: bool,
}

/// Something that would change an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) stream: StreamId,
    pub(crate) watch: Watch,
}

/// Rows that would change an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    /// Of the key with this hash: see [`id_key`](forebay_model::touched::id_key).
    Key(u64),
    /// Of these hours: see [`hour_of`](forebay_model::touched::hour_of). Both ends belong to it.
    Hours { first: i32, last: i32 },
}

impl CacheEntry {
    /// How many bytes it costs to keep it, roughly.
    pub(crate) fn cost(&self) -> usize {
        const FIXED: usize = 400;
        FIXED + self.body.as_ref().map_or(0, Bytes::len)
    }
}
