//! The pool itself.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use forebay_model::ShardId;
use tokio::time::Instant;

use super::error::ShardError;
use super::lease::Lease;
use super::server::ShardServer;
use super::settings::PoolSettings;
use crate::connection::address::ShardAddresses;
use crate::connection::session::Role;

/// Connections for reading one shard. Cloning it is cheap; all clones are the same pool.
#[derive(Clone, Debug)]
pub struct ShardPool {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    shard: ShardId,
    /// In the order of the settings; never empty.
    servers: Vec<ShardServer>,
    pub(super) latest_timeline: Arc<AtomicU32>,
    acquire_timeout: Duration,
}

impl ShardPool {
    /// A pool without connections: the first one is made when it is asked for.
    pub fn new(shard: ShardId, addresses: &ShardAddresses, settings: &PoolSettings) -> Self {
        let latest_timeline = Arc::new(AtomicU32::new(0));
        let servers = addresses.iter().enumerate();
        let servers = servers
            .map(|(number, address)| ShardServer::new(shard, number, address, settings, Arc::clone(&latest_timeline)))
            .collect();
        let acquire_timeout = settings.acquire_timeout;
        Self { inner: Arc::new(Inner { shard, servers, latest_timeline, acquire_timeout }) }
    }

    /// Which shard it reads.
    pub fn shard(&self) -> ShardId {
        self.inner.shard
    }

    /// The shard's servers, in the order of the settings.
    pub fn servers(&self) -> &[ShardServer] {
        &self.inner.servers
    }

    /// Closes connections that were not used lately.
    pub fn close_idle(&self) {
        self.servers().iter().for_each(ShardServer::close_idle);
    }

    /// A connection to the primary, or else to the first server that works. It goes back into the pool when it is dropped,
    /// and is tested before it is used again.
    ///
    /// # Errors
    /// [`ShardError::Unreachable`] or [`ShardError::Busy`].
    pub async fn acquire(&self) -> Result<Lease, ShardError> {
        let mut other = None;
        let mut errors = Vec::new();
        for server in self.in_turn() {
            if other.is_some() && server.role() == Some(Role::Standby) {
                continue;
            }
            match server.lease(Instant::now() + self.inner.acquire_timeout).await {
                Ok(lease) if self.is_primary(server) => return Ok(lease.kept_and_tested()),
                Ok(lease) => other = other.or(Some(lease)),
                Err(error) => errors.push(error),
            }
        }
        other.map(Lease::kept_and_tested).ok_or_else(|| self.unavailable(errors))
    }

    fn unavailable(&self, errors: Vec<ShardError>) -> ShardError {
        let shard = self.shard();
        let mut reasons = Vec::with_capacity(errors.len());
        for error in errors {
            match error {
                ShardError::Unreachable { reason, .. } => reasons.push(reason),
                other => return other,
            }
        }
        ShardError::Unreachable { shard, reason: reasons.join("; ") }
    }
}
