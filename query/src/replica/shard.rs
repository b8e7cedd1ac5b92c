//! One shard, as reads see it: its servers, windows, and how far its streams are known to be.
//!
//! Which server is asked, and whether its answer is believed, stands in [`route`](crate::replica::route).

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use forebay_model::{Lane, PerLane, ShardId};
use forebay_shard::read::Windows;
use forebay_shard::read::sql::SESSION;
use forebay_shard::{PoolSettings, ShardAddresses, ShardPool, ShardServer};
use tokio::sync::Semaphore;

use crate::position::known::Known;
use crate::replica::meter::Meter;
use crate::replica::seen::LastSeen;

/// How shards are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadSettings {
    /// The most connections to one server.
    pub(crate) connections_max: u32,
    /// How long a shard may take to answer.
    pub(crate) timeout: Duration,
    /// How far a replica may be behind.
    pub(crate) replica_lag_max: Duration,
}

/// A shard that is read.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(super) pool: ShardPool,
    pub(super) timeout: Duration,
    pub(super) replica_lag_max: Duration,
    pub(super) last_seen: LastSeen,
    /// Counts reads that may go to a replica, so that replicas take turns.
    pub(super) turns: AtomicUsize,
    windows: RwLock<PerLane<Arc<Windows>>>,
    known: Known,
    pub(super) meter: Meter,
    /// How many pieces of exports may be read at the same time: the other half of the connections is for single pages.
    export_reads: Arc<Semaphore>,
}

impl Shard {
    pub(crate) fn new(id: ShardId, addresses: &ShardAddresses, settings: ReadSettings) -> Self {
        let ReadSettings { connections_max, timeout, replica_lag_max } = settings;
        let pool = PoolSettings {
            application_name: "forebay-query".to_owned(),
            connections_max,
            acquire_timeout: timeout,
            // The deadline of a read comes first; this ends what the server would go on with.
            statement_timeout: timeout + Duration::from_millis(500),
            parameters: SESSION.to_vec(),
        };
        let pool = ShardPool::new(id, addresses, &pool);
        Self {
            timeout,
            replica_lag_max,
            last_seen: LastSeen::new(pool.servers().len()),
            turns: AtomicUsize::new(0),
            windows: RwLock::new(PerLane::from_fn(|_| Arc::new(Windows::whole()))),
            known: Known::new(replica_lag_max),
            meter: Meter::new(&pool),
            export_reads: Arc::new(Semaphore::new((connections_max as usize / 2).max(1))),
            pool,
        }
    }

    pub(crate) fn id(&self) -> ShardId {
        self.pool.shard()
    }

    /// Its servers, in the order of the settings.
    pub(crate) fn servers(&self) -> &[ShardServer] {
        self.pool.servers()
    }

    /// The permits to read a piece of an export.
    pub(crate) fn export_reads(&self) -> Arc<Semaphore> {
        Arc::clone(&self.export_reads)
    }

    /// Closes connections that were not used lately.
    pub(crate) fn close_idle(&self) {
        self.pool.close_idle();
    }

    /// How far its streams are known to be.
    pub(crate) fn known(&self) -> &Known {
        &self.known
    }

    /// The windows of a lane's table.
    pub(crate) fn windows(&self, lane: Lane) -> Arc<Windows> {
        let windows = self.windows.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&windows[lane])
    }

    pub(crate) fn set_windows(&self, windows: PerLane<Arc<Windows>>) {
        *self.windows.write().unwrap_or_else(PoisonError::into_inner) = windows;
    }
}
