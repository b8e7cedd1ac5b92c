//! Units: the parts of the key space that have one owner each.

use serde::{Deserialize, Serialize};

use crate::{Bucket, StreamKind};

/// What is owned and moved as a whole. As JSON an object with the kind as its one key, such as
/// `{"bucket":{"stream":"logged","number":17}}`, so that a part of one customer's orders can be a unit beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Unit {
    /// All keys of a bucket, of the facts of one kind of streams: what clients said of customers and what follows from it for views lie on
    /// shards of their own, each behind a log of its own, and go their own ways.
    Bucket {
        /// By which kind of streams its facts come.
        stream: StreamKind,
        /// Which bucket.
        number: Bucket,
    },
}

impl Unit {
    /// A bucket's facts of a kind of streams.
    pub const fn of(stream: StreamKind, number: Bucket) -> Self {
        Self::Bucket { stream, number }
    }

    /// By which kind of streams its facts come.
    pub const fn stream(self) -> StreamKind {
        match self {
            Self::Bucket { stream, .. } => stream,
        }
    }

    /// The bucket that it is, or is a part of.
    pub const fn bucket(self) -> Bucket {
        match self {
            Self::Bucket { number, .. } => number,
        }
    }
}
