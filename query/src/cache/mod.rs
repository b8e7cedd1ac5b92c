//! The cache in front of the shards: answers in this process's memory (L1), and in Redis, which all query processes share.
//!
//! An answer is kept with the positions that it was read at, and what it depends on. It is given
//! again only while the commit notices are of the same log, and show that nothing of that was touched since: see
//! [`freshness`]. So nothing has to be deleted anywhere when orders come in, and an old entry that turns up from somewhere, or
//! one of a system that is no more, does no harm. Whatever the cache cannot tell for sure, Postgres is asked.

pub(crate) mod codec;
pub(crate) mod entry;
mod flight;
mod freshness;
mod meter;
mod redis;
mod served;
mod touches;

use std::sync::Arc;

use forebay_api::stats::CacheStats;
use forebay_log::Notice;
use forebay_model::{ShardMap, StreamId, StreamKind};
use futures::future::BoxFuture;

use crate::error::ReadError;
use crate::position::derivations::{Derivations, Owing};
use crate::position::patience::Patience;
use crate::position::read_at::ReadAt;

pub(crate) use entry::{CacheEntry, Watch, Watched};
use flight::{LocalCache, Unkept};
use freshness::Freshness;
use meter::Meter;
pub(crate) use redis::Redis;
use served::Origin;
pub(crate) use served::Served;

/// How often a shared load is joined that turns out to be too old, before a request loads for itself.
const JOINS_MAX: usize = 3;

/// What is asked, as far as the cache has to know.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    /// The same for every request that has the same answer.
    pub(crate) key: Arc<str>,
    /// The streams whose facts the answer is looked for in first.
    pub(crate) streams: Vec<StreamId>,
    pub(crate) patience: &'a Patience,
    /// Whether units have moved: then a receipt may name places that are elsewhere, which only the shards can follow.
    pub(crate) has_moved: bool,
    /// Whether an answer without the shards that are down will do.
    pub(crate) partial: bool,
}

/// Loads an answer from the shards.
pub(crate) type Load<'a> = dyn Fn(Patience) -> BoxFuture<'a, Result<CacheEntry, ReadError>> + Sync + 'a;

/// The cache of a query process.
#[derive(Debug)]
pub(crate) struct Cache {
    kept: LocalCache,
    redis: Option<Redis>,
    freshness: Freshness,
    derivations: Arc<Derivations>,
    meter: Meter,
}

impl Cache {
    /// A cache that keeps at most `bytes_max` bytes in memory.
    pub(crate) fn new(bytes_max: u64, redis: Option<Redis>, derivations: Arc<Derivations>) -> Self {
        let (kept, freshness) = (LocalCache::new(bytes_max), Freshness::default());
        Self { kept, redis, freshness, derivations, meter: Meter::new() }
    }

    /// The map has these shards.
    pub(crate) fn follow(&self, map: &ShardMap) {
        self.freshness.follow(map.shards());
    }

    /// Takes note of a commit, or of a sign of life.
    pub(crate) fn note(&self, notice: &Notice) {
        if !self.freshness.note(notice) {
            self.meter.gap();
        }
    }

    /// No notices are heard any more: what is kept cannot be judged until the next notice.
    pub(crate) fn deafen(&self) {
        self.freshness.deafen();
    }

    /// Lets no replica answer that has not come to the last known touch of something.
    pub(crate) fn with_floor(&self, patience: Patience, streams: &[StreamId], watch: Watch) -> Patience {
        streams.iter().fold(patience, |patience, &stream| match self.freshness.last_touch(stream, watch) {
            Some(position) => patience.with_floor(stream, position),
            None => patience,
        })
    }

    pub(crate) fn figures(&self) -> CacheStats {
        self.meter.figures()
    }

    /// Answers a question, from memory, from Redis, or by loading.
    pub(crate) async fn serve(&self, question: &Question<'_>, load: &Load<'_>) -> Result<Served, ReadError> {
        let served = self.find(question, load).await?;
        self.meter.served(served.from, &self.kept);
        Ok(served)
    }

    async fn find(&self, question: &Question<'_>, load: &Load<'_>) -> Result<Served, ReadError> {
        if !self.freshness.hears(&question.streams) {
            return Ok(Served::loaded(Arc::new(load(question.patience.clone()).await?), Origin::Bypass));
        }
        if let Some(served) = self.in_memory(question).await {
            return Ok(served);
        }
        // A request that waits for a receipt must not hold up others, and what will do for one may not do for all.
        if !question.partial && question.patience.receipt.is_empty() {
            for _ in 0..JOINS_MAX {
                if let Some(served) = self.join(question, load).await? {
                    return Ok(served);
                }
            }
        }
        let entry = Arc::new(load(question.patience.clone()).await?);
        if self.confirm(question, &entry).is_some() {
            self.kept.put(&question.key, &entry).await;
            self.share(question, &entry);
        }
        Ok(Served::loaded(entry, Origin::Miss))
    }

    /// What this process keeps, where it holds still.
    async fn in_memory(&self, question: &Question<'_>) -> Option<Served> {
        let entry = self.kept.get(&question.key).await?;
        let Some(read_at) = self.confirm(question, &entry) else {
            self.meter.stale(Origin::L1);
            self.kept.drop_entry(&question.key, &entry).await;
            return None;
        };
        let (served, receipt) = (Served { entry, read_at, from: Origin::L1 }, &question.patience.receipt);
        let is_held = receipt.is_empty() || !question.has_moved && served.holds(receipt, &self.derivations);
        is_held.then_some(served)
    }

    /// Loads, or joins a load of the same that is under way. `None` where what was joined is too old for this request.
    async fn join(&self, question: &Question<'_>, load: &Load<'_>) -> Result<Option<Served>, ReadError> {
        // Stays so where a load is joined.
        let mut from = Origin::L1;
        let loaded = self.kept.get_or_load(&question.key, async {
            if let Some(entry) = self.in_redis(question).await {
                from = Origin::Redis;
                return Ok(entry);
            }
            from = Origin::Miss;
            let entry = Arc::new(load(Patience::none()).await.map_err(|error| Unkept::Failed(Arc::new(error)))?);
            if self.confirm(question, &entry).is_none() {
                return Err(Unkept::Entry(entry));
            }
            self.share(question, &entry);
            Ok(entry)
        });
        let (entry, is_kept) = match loaded.await {
            Ok(entry) => (entry, true),
            Err(unkept) => match &*unkept {
                Unkept::Entry(entry) => (Arc::clone(entry), false),
                Unkept::Failed(error) => return Err(ReadError::Shared(Arc::clone(error))),
            },
        };
        if from == Origin::Miss {
            return Ok(Some(Served::loaded(entry, from)));
        }
        match self.confirm(question, &entry) {
            Some(read_at) => Ok(Some(Served { entry, read_at, from })),
            None => {
                if is_kept {
                    self.kept.drop_entry(&question.key, &entry).await;
                }
                Ok(None)
            }
        }
    }

    async fn in_redis(&self, question: &Question<'_>) -> Option<Arc<CacheEntry>> {
        let entry = self.redis.as_ref()?.get(&question.key).await?;
        if self.confirm(question, &entry).is_none() {
            self.meter.stale(Origin::Redis);
            return None;
        }
        Some(Arc::new(entry))
    }

    /// Where an entry holds still.
    fn confirm(&self, question: &Question<'_>, entry: &CacheEntry) -> Option<ReadAt> {
        if self.is_in_doubt(question, entry) {
            return None;
        }
        let read_at = self.freshness.confirm(entry, &question.streams)?;
        // What would lead to an order may lie in the log of the index, and not be committed there.
        let is_behind = entry.body.is_none() && self.derivations.is_behind(&read_at);
        Some(read_at).filter(|_| !is_behind)
    }

    /// Whether it shows no order, and facts may be owed that would lead to one. Positions do not tell: it may have been read, and
    /// rightly so, before anything was owed.
    fn is_in_doubt(&self, question: &Question<'_>, entry: &CacheEntry) -> bool {
        if entry.body.is_some() {
            return false;
        }
        let watched = entry.watched.iter().map(|watched| watched.stream);
        let derived = watched.filter(|stream| stream.kind == StreamKind::Derived).map(|stream| stream.shard);
        let sources = self.freshness.shards();
        let mut targets: Vec<_> = derived.collect();
        if question.has_moved && !targets.is_empty() {
            // What is owed to one shard may belong to another by now.
            targets.clone_from(&sources);
        }
        self.derivations.owing(sources.into_iter(), &targets) != Owing::Nothing
    }

    fn share(&self, question: &Question<'_>, entry: &Arc<CacheEntry>) {
        if let Some(redis) = &self.redis {
            redis.put(&question.key, entry);
        }
    }
}
