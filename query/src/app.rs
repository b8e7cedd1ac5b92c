//! What handlers share.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use forebay_log::Log;
use forebay_model::{Receipt, ShardId, ShardMap};
use forebay_service::{Problem, Shutdown};
use forebay_shard::AddressError;
use tokio::sync::watch;

use crate::cache::Cache;
use crate::export::Limits;
use crate::position::patience::Patience;
use crate::replica::shards::Shards;

/// What handlers share. Cloning it is cheap.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

struct Inner {
    shards: Shards,
    cache: Cache,
    exports: Limits,
    shutdown: Shutdown,
    /// Empty until the log was reached for the first time.
    log: OnceLock<Connected>,
}

struct Connected {
    log: Log,
    map: watch::Receiver<Option<Arc<ShardMap>>>,
    /// The last map whose shards can be read.
    followed: RwLock<Option<Arc<ShardMap>>>,
}

impl App {
    /// Without a log as yet.
    pub(crate) fn new(shards: Shards, cache: Cache, exports: Limits, shutdown: Shutdown) -> Self {
        Self(Arc::new(Inner { shards, cache, exports, shutdown, log: OnceLock::new() }))
    }

    pub(crate) fn shards(&self) -> &Shards {
        &self.0.shards
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.0.cache
    }

    /// Checks that a receipt can be of this system.
    ///
    /// # Errors
    /// The problem `malformed`.
    pub(crate) fn check_receipt(&self, receipt: &Receipt) -> Result<(), Problem> {
        let map = self.map()?;
        let is_foreign =
            |shard: ShardId| self.shards().get(shard).is_err() && !map.has(shard) && map.gone(shard).is_none();
        let foreign = receipt.positions().find(|(stream, _)| is_foreign(stream.shard));
        foreign.map_or(Ok(()), |(stream, _)| {
            let shard = stream.shard;
            Err(Problem::malformed(format!(
                "the receipt names shard {shard}, and there is none: it is of another system"
            )))
        })
    }

    /// Patience for what a checked receipt names that is not reached already.
    pub(crate) fn patient(&self, patience: Patience) -> Result<Patience, Problem> {
        self.check_receipt(&patience.receipt)?;
        let receipt = self.map()?.reached(&patience.receipt);
        Ok(Patience { receipt, ..patience })
    }

    /// What exports share.
    pub(crate) fn exports(&self) -> &Limits {
        &self.0.exports
    }

    /// Whether the service stops.
    pub(crate) fn shutdown(&self) -> &Shutdown {
        &self.0.shutdown
    }

    /// The shard map as it stands: every shard of it can be asked for. A map that does not say where a shard is leaves the one of before.
    ///
    /// # Errors
    /// The problem `not_ready` before there is one.
    pub(crate) fn map(&self) -> Result<Arc<ShardMap>, Problem> {
        let connected = self.0.log.get().ok_or_else(|| Problem::not_ready("the log has not been reached yet"))?;
        let newest = connected.map.borrow().clone();
        let newest = newest.ok_or_else(|| Problem::not_ready("there is no shard map yet: a writer makes it"))?;
        let known = connected.followed.read().unwrap_or_else(PoisonError::into_inner).clone();
        if known.as_ref().is_some_and(|known| Arc::ptr_eq(known, &newest)) {
            return Ok(newest);
        }
        match (self.follow(&newest), known) {
            (Ok(()), _) => {
                *connected.followed.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&newest));
                Ok(newest)
            }
            (Err(_), Some(known)) => Ok(known),
            (Err(error), None) => Err(Problem::not_ready(error.to_string())),
        }
    }

    /// Takes over a map.
    ///
    /// # Errors
    /// Where it does not say where a shard is.
    pub(crate) fn follow(&self, map: &Arc<ShardMap>) -> Result<(), AddressError> {
        self.cache().follow(map);
        self.shards().follow_map(map)?;
        self.shards().moved().follow_map(map);
        Ok(())
    }

    /// The log, once it was reached.
    pub(crate) fn log(&self) -> Option<&Log> {
        self.0.log.get().map(|connected| &connected.log)
    }

    /// Notes that the log was reached.
    pub(crate) fn set_log(&self, log: Log) {
        let map = log.map();
        // It is reached for the first time only once.
        let _ = self.0.log.set(Connected { log, map, followed: RwLock::default() });
    }
}
