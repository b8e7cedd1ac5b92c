//! An answer for one request, and where it came from.

use std::sync::Arc;

use forebay_model::Receipt;

use super::entry::CacheEntry;
use crate::position::derivations::Derivations;
use crate::position::read_at::ReadAt;

/// Where an answer came from, as the header `Forebay-Cache` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This process's memory.
    L1,
    Redis,
    /// Postgres.
    Miss,
    /// Postgres: the cache could not be used.
    Bypass,
}

/// An answer for one request.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) entry: Arc<CacheEntry>,
    /// The positions that the answer is known to hold at: from a cache, often later ones than it was read at.
    pub(crate) read_at: ReadAt,
    pub(crate) from: Origin,
}

impl Origin {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::L1 => "l1",
            Self::Redis => "redis",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

impl Served {
    pub(super) fn loaded(entry: Arc<CacheEntry>, from: Origin) -> Self {
        Self { read_at: entry.read_at.clone(), entry, from }
    }

    /// Whether it is known to hold what a receipt names, and what follows from that, of the streams that it was read from.
    pub(super) fn holds(&self, receipt: &Receipt, derivations: &Derivations) -> bool {
        self.read_at.iter().all(|(stream, position)| derivations.holds(receipt, stream, position))
    }
}
