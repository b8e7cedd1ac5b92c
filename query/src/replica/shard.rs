//! One shard, as reads see it: its servers, windows, how far its lanes are known to be, and one way to run a statement.
//!
//! Which server is asked, and whether its answer is believed, stands in [`route`](crate::replica::route).

use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use forebay_model::{Lane, ShardId};
use forebay_shard::ShardAddresses;

use crate::position::known::Known;
use crate::replica::meter::Meter;
use crate::replica::server::Server;
use crate::sql::window::Windows;

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
    id: ShardId,
    /// In the order of the settings; never empty.
    pub(crate) servers: Vec<Server>,
    pub(crate) timeout: Duration,
    pub(crate) replica_lag_max: Duration,
    /// The latest timeline that one of them was seen to write.
    pub(crate) timeline: AtomicU32,
    /// Counts reads that may go to a replica, so that replicas take turns.
    pub(crate) turns: AtomicUsize,
    windows: RwLock<Arc<[Arc<Windows>; 2]>>,
    known: Known,
    pub(crate) meter: Meter,
}

impl Shard {
    pub(crate) fn new(id: ShardId, addresses: &ShardAddresses, settings: ReadSettings) -> Self {
        let ReadSettings { connections_max, timeout, replica_lag_max } = settings;
        let whole = || Arc::new(Windows::whole());
        let servers: Vec<Server> =
            addresses.iter().map(|address| Server::new(id, address, connections_max, timeout)).collect();
        // Until the servers say themselves what they are.
        servers[0].set_primary(true);
        Self {
            id,
            servers,
            timeout,
            replica_lag_max,
            timeline: AtomicU32::new(0),
            turns: AtomicUsize::new(0),
            windows: RwLock::new(Arc::new([whole(), whole()])),
            known: Known::new(replica_lag_max),
            meter: Meter::new(id),
        }
    }

    pub(crate) fn id(&self) -> ShardId {
        self.id
    }

    /// Its servers, in the order of the settings.
    pub(crate) fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// Closes connections that nobody needs.
    pub(crate) fn close_idle(&self) {
        self.servers.iter().for_each(Server::close_idle);
    }

    /// How far its lanes are known to be.
    pub(crate) fn known(&self) -> &Known {
        &self.known
    }

    /// The windows of a lane's table.
    pub(crate) fn windows(&self, lane: Lane) -> Arc<Windows> {
        let windows = self.windows.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&windows[usize::from(lane == Lane::Views)])
    }

    pub(crate) fn set_windows(&self, orders: Windows, views: Windows) {
        let windows = Arc::new([Arc::new(orders), Arc::new(views)]);
        *self.windows.write().unwrap_or_else(PoisonError::into_inner) = windows;
    }
}
