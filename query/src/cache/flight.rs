//! What this process keeps, bounded in bytes; and loads of the same thing that are under way, which are shared.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;
use moka::ops::compute::Op;

use super::entry::CacheEntry;
use crate::error::ReadError;

/// How long "nothing there" is kept.
const EMPTY_FOR: Duration = Duration::from_secs(5);

/// The entries.
#[derive(Debug)]
pub(super) struct LocalCache(Cache<Arc<str>, Arc<CacheEntry>>);

/// What a load has given that is not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unkept {
    #[error("not to be kept")]
    Entry(Arc<CacheEntry>),
    #[error("the load has failed")]
    Failed(Arc<ReadError>),
}

impl LocalCache {
    pub(super) fn new(bytes_max: u64) -> Self {
        let cost =
            |key: &Arc<str>, entry: &Arc<CacheEntry>| u32::try_from(key.len() + entry.cost()).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(bytes_max).weigher(cost).expire_after(BrieflyIfEmpty).build())
    }

    pub(super) async fn get(&self, key: &Arc<str>) -> Option<Arc<CacheEntry>> {
        self.0.get(key).await
    }

    pub(super) async fn put(&self, key: &Arc<str>, entry: &Arc<CacheEntry>) {
        self.0.insert(Arc::clone(key), Arc::clone(entry)).await;
    }

    /// Waits for the load of the same key that is under way, or loads. What is loaded is kept.
    pub(super) async fn get_or_load(
        &self,
        key: &Arc<str>,
        load: impl Future<Output = Result<Arc<CacheEntry>, Unkept>>,
    ) -> Result<Arc<CacheEntry>, Arc<Unkept>> {
        self.0.try_get_with(Arc::clone(key), load).await
    }

    /// Drops an entry, unless another one has taken its place meanwhile.
    pub(super) async fn drop_entry(&self, key: &Arc<str>, entry: &Arc<CacheEntry>) {
        let drop_same = |current: Option<moka::Entry<Arc<str>, Arc<CacheEntry>>>| {
            let is_same = current.is_some_and(|current| Arc::ptr_eq(current.value(), entry));
            std::future::ready(if is_same { Op::Remove } else { Op::Nop })
        };
        self.0.entry_by_ref(key).and_compute_with(drop_same).await;
    }

    /// How many entries and bytes there are, as of a moment ago.
    pub(super) fn size(&self) -> (u64, u64) {
        (self.0.entry_count(), self.0.weighted_size())
    }
}

#[derive(Debug)]
struct BrieflyIfEmpty;

impl Expiry<Arc<str>, Arc<CacheEntry>> for BrieflyIfEmpty {
    fn expire_after_create(&self, _: &Arc<str>, entry: &Arc<CacheEntry>, _: Instant) -> Option<Duration> {
        entry.is_empty.then_some(EMPTY_FOR)
    }

    fn expire_after_update(
        &self,
        key: &Arc<str>,
        entry: &Arc<CacheEntry>,
        updated_at: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(key, entry, updated_at)
    }
}
