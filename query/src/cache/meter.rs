//! How the cache does.

use forebay_api::stats::CacheStats;
use metrics::{Counter, Gauge, counter, gauge};
use std::sync::atomic::{AtomicU64, Ordering};

use super::flight::LocalCache;
use super::served::Origin;
use crate::metrics::{CACHE_ANSWERS, CACHE_BYTES, CACHE_ENTRIES, CACHE_NOTICE_GAPS, CACHE_STALE};

/// Counters since the start.
#[derive(Debug)]
pub(super) struct Meter {
    served: [Served; 4],
    stale: [Counter; 2],
    gaps: Counter,
    entries: Gauge,
    bytes: Gauge,
}

#[derive(Debug)]
struct Served {
    from: Origin,
    count: AtomicU64,
    counter: Counter,
}

impl Meter {
    pub(super) fn new() -> Self {
        let served = [Origin::L1, Origin::Redis, Origin::Miss, Origin::Bypass].map(|from| Served {
            from,
            count: AtomicU64::new(0),
            counter: counter!(CACHE_ANSWERS.name, "from" => from.as_str()),
        });
        let stale = [Origin::L1, Origin::Redis].map(|from| counter!(CACHE_STALE.name, "from" => from.as_str()));
        Self {
            served,
            stale,
            gaps: counter!(CACHE_NOTICE_GAPS.name),
            entries: gauge!(CACHE_ENTRIES.name),
            bytes: gauge!(CACHE_BYTES.name),
        }
    }

    /// An answer was given.
    pub(super) fn served(&self, from: Origin, kept: &LocalCache) {
        for served in self.served.iter().filter(|served| served.from == from) {
            served.count.fetch_add(1, Ordering::Relaxed);
            served.counter.increment(1);
        }
        if from != Origin::L1 {
            let (entries, bytes) = kept.size();
            self.entries.set(entries as f64);
            self.bytes.set(bytes as f64);
        }
    }

    /// Something was kept and did not hold any more.
    pub(super) fn stale(&self, from: Origin) {
        self.stale[usize::from(from == Origin::Redis)].increment(1);
    }

    /// Notices were missed.
    pub(super) fn gap(&self) {
        self.gaps.increment(1);
    }

    pub(super) fn figures(&self) -> CacheStats {
        let [l1, redis, misses, bypassed] =
            [0, 1, 2, 3].map(|place: usize| self.served[place].count.load(Ordering::Relaxed));
        let hits = l1 + redis;
        let rate = (hits + misses > 0).then(|| hits as f64 / (hits + misses) as f64);
        CacheStats { hits, misses, rate, l1, redis, bypassed }
    }
}
