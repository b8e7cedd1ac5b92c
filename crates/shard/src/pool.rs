//! Connections for reading one shard.
//!
//! Each address has a pool of its own. Who asks gets a connection to the primary, or else to the first address that works;
//! an address that failed is left alone until a probe in the background has reached it, so that a shard that is down costs
//! its callers nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use forebay_model::ShardId;
use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::address::{ShardAddress, ShardAddresses};
use crate::session::{Server, SessionSettings, connect, named, prepare};

/// A connection that has been idle for longer is tried before it is handed out: the server may have gone meanwhile.
const IDLE_UNTESTED: Duration = Duration::from_millis(500);
/// How often an address that failed is probed.
const PROBE_EVERY: Duration = Duration::from_millis(500);
/// How long the test of an idle connection may take.
const PING_MAX: Duration = Duration::from_millis(500);
/// A connection is renewed after this long, so that a changed network name or a balanced pool is followed.
const LIFETIME: Duration = Duration::from_mins(30);

/// How many prepared statements a connection keeps. Reads have one for each part of time that they are divided into.
const STATEMENTS_MAX: usize = 512;

/// How a pool behaves.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// How its sessions are named in `pg_stat_activity`.
    pub application_name: String,
    /// The most connections to one address.
    pub connections_max: u32,
    /// The longest to wait for a connection.
    pub acquire_timeout: Duration,
    /// The longest a statement may run.
    pub statement_timeout: Duration,
    /// Further settings of its sessions, such as `("plan_cache_mode", "force_generic_plan")`.
    pub parameters: Vec<(&'static str, &'static str)>,
}

/// Connections for reading one shard. Cloning it is cheap; all clones are the same pool.
#[derive(Clone, Debug)]
pub struct ShardPool {
    inner: Arc<Inner>,
}

/// The shard gives no connection.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unavailable {
    /// No address could be reached.
    #[error("shard {shard} cannot be reached: {reason}")]
    Unreachable {
        /// Which shard.
        shard: ShardId,
        /// What each address said.
        reason: String,
    },
    /// The server answers, and every connection that the pool may have is in use.
    #[error("every connection to shard {shard} is in use")]
    Busy {
        /// Which shard.
        shard: ShardId,
    },
}

#[derive(Debug)]
struct Inner {
    shard: ShardId,
    places: Vec<Arc<Place>>,
}

/// One address and its pool.
#[derive(Debug)]
struct Place {
    shard: ShardId,
    address: ShardAddress,
    session: SessionSettings,
    pool: PgPool,
    is_down: AtomicBool,
    /// What it was when the last connection was made.
    is_standby: Arc<AtomicBool>,
    /// What was wrong when it last failed.
    reason: Mutex<String>,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            application_name: "forebay".to_owned(),
            connections_max: 16,
            acquire_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(10),
            parameters: Vec::new(),
        }
    }
}

impl PoolSettings {
    fn session(&self) -> SessionSettings {
        SessionSettings {
            application_name: self.application_name.clone(),
            statement_timeout: self.statement_timeout,
            lock_timeout: self.statement_timeout,
            parameters: self.parameters.clone(),
        }
    }
}

impl ShardPool {
    /// A pool without connections: the first one is made when it is asked for. Must be called within a tokio runtime.
    pub fn new(shard: ShardId, addresses: &ShardAddresses, settings: &PoolSettings) -> Self {
        let places = addresses.iter().map(|address| Arc::new(Place::new(shard, address, settings))).collect();
        Self { inner: Arc::new(Inner { shard, places }) }
    }

    /// Which shard it reads.
    pub fn shard(&self) -> ShardId {
        self.inner.shard
    }

    /// A connection to the primary, or else to the first address that works. It goes back into the pool when it is dropped.
    pub async fn acquire(&self) -> Result<PoolConnection<Postgres>, Unavailable> {
        let mut is_busy = false;
        let mut to_standby = None;
        for place in &self.inner.places {
            if place.is_down.load(Ordering::Acquire) || to_standby.is_some() && place.is_standby() {
                continue;
            }
            match place.pool.acquire().await {
                Ok(connection) if place.is_standby() => to_standby = to_standby.or(Some(connection)),
                Ok(connection) => return Ok(connection),
                Err(sqlx::Error::PoolTimedOut) if place.answers().await => is_busy = true,
                Err(error) => Place::mark_down(place, &error.to_string()),
            }
        }
        if let Some(connection) = to_standby {
            return Ok(connection);
        }
        let shard = self.shard();
        if is_busy {
            Err(Unavailable::Busy { shard })
        } else {
            Err(Unavailable::Unreachable { shard, reason: self.reasons() })
        }
    }

    /// How many connections there are at the moment: all, and those that are idle.
    pub fn connections(&self) -> (u32, usize) {
        let pools = self.inner.places.iter().map(|place| (place.pool.size(), place.pool.num_idle()));
        pools.fold((0, 0), |sum, pool| (sum.0 + pool.0, sum.1 + pool.1))
    }

    /// Closes every connection, waiting for those in use.
    pub async fn close(&self) {
        for place in &self.inner.places {
            place.pool.close().await;
        }
    }

    fn reasons(&self) -> String {
        let reason = |place: &Arc<Place>| {
            let reason = place.reason.lock().unwrap_or_else(PoisonError::into_inner);
            format!("{}: {reason}", place.address)
        };
        self.inner.places.iter().map(reason).collect::<Vec<_>>().join("; ")
    }
}

impl Place {
    fn new(shard: ShardId, address: &ShardAddress, settings: &PoolSettings) -> Self {
        let session = settings.session();
        let is_standby = Arc::new(AtomicBool::new(false));
        let on_connect = (address.clone(), session.clone(), Arc::clone(&is_standby));
        let pool = PgPoolOptions::new()
            .max_connections(settings.connections_max)
            .acquire_timeout(settings.acquire_timeout)
            .max_lifetime(LIFETIME)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for < IDLE_UNTESTED {
                        return Ok(true);
                    }
                    let ping = sqlx::Connection::ping(connection);
                    Ok(timeout(PING_MAX, ping).await.is_ok_and(|answer| answer.is_ok()))
                })
            })
            .after_connect(move |connection, _| {
                let (address, session, is_standby) = on_connect.clone();
                Box::pin(async move {
                    let server = prepare(connection, &address, &session).await?;
                    is_standby.store(server == Server::Standby, Ordering::Release);
                    Ok(())
                })
            })
            .connect_lazy_with(named(address, &session).statement_cache_capacity(STATEMENTS_MAX));
        Self {
            shard,
            address: address.clone(),
            session,
            pool,
            is_down: AtomicBool::new(false),
            is_standby,
            reason: Mutex::default(),
        }
    }

    fn is_standby(&self) -> bool {
        self.is_standby.load(Ordering::Acquire)
    }

    /// Whether the server can be reached at all.
    async fn answers(&self) -> bool {
        let probe = timeout(PROBE_EVERY * 2, connect(&self.address, &self.session)).await;
        match probe {
            Ok(Ok(_)) => true,
            Ok(Err(refused)) => {
                self.set_reason(refused.to_string());
                false
            }
            Err(_) => {
                self.set_reason("does not answer".to_owned());
                false
            }
        }
    }

    fn set_reason(&self, reason: String) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    /// Leaves the address alone until a probe has reached it. Only the first to notice starts the probing.
    fn mark_down(place: &Arc<Self>, reason: &str) {
        debug!(shard = %place.shard, address = %place.address, reason, "no connection");
        if place.is_down.swap(true, Ordering::AcqRel) {
            return;
        }
        if place.reason.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            place.set_reason(reason.to_owned());
        }
        warn!(shard = %place.shard, address = %place.address, reason, "shard cannot be read");
        let weak = Arc::downgrade(place);
        tokio::spawn(async move {
            while let Some(place) = weak.upgrade() {
                if place.pool.is_closed() {
                    return;
                }
                if place.answers().await {
                    place.set_reason(String::new());
                    place.is_down.store(false, Ordering::Release);
                    info!(shard = %place.shard, address = %place.address, "shard can be read again");
                    return;
                }
                drop(place);
                sleep(PROBE_EVERY).await;
            }
        });
    }
}
