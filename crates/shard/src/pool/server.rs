//! One server of a shard: its connections, and what it was when it was last reached.
//!
//! Every piece of work has a time, from asking for a connection to the last row. What exceeds it loses its connection, so a
//! slow server costs its readers time, and no other reader a place in the pool.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_model::ShardId;
use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

use super::error::ShardError;
use super::lease::{Connections, Lease};
use super::outage::Outage;
use super::settings::PoolSettings;
use crate::connection::address::ShardAddress;
use crate::connection::session::{Refused, Role, SessionSettings, connect};
use crate::position::StreamPosition;

/// A server that was silent for less than this is slow, and not taken for down.
const SILENCE: Duration = Duration::from_millis(500);
/// The pause between two attempts to connect to a server that starts.
const PAUSE: Duration = Duration::from_millis(50);

/// A server of a shard.
#[derive(Debug)]
pub struct ShardServer {
    shard: ShardId,
    number: usize,
    address: ShardAddress,
    name: String,
    session: SessionSettings,
    connections: Connections,
    connections_max: u32,
    /// Empty until it was reached.
    role: Mutex<Option<Role>>,
    /// The latest timeline that any server of the shard was seen to write.
    latest_timeline: Arc<AtomicU32>,
    is_failing: AtomicBool,
    outage: Outage,
}

/// What is done with a connection.
pub type Work<'w, T> = &'w (dyn for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Sync);

impl ShardServer {
    pub(super) fn new(
        shard: ShardId,
        number: usize,
        address: &ShardAddress,
        settings: &PoolSettings,
        latest_timeline: Arc<AtomicU32>,
    ) -> Self {
        // Until the servers say themselves what they are, the first is the primary.
        let role = (number == 0).then_some(Role::Primary { timeline: 0 });
        Self {
            shard,
            number,
            address: address.clone(),
            name: address.to_string(),
            session: settings.session(),
            connections: Connections::new(settings.connections_max),
            connections_max: settings.connections_max,
            role: role.into(),
            latest_timeline,
            is_failing: AtomicBool::new(false),
            outage: Outage::default(),
        }
    }

    /// Its number in the settings; the first is 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Where it is: `host:port/database`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it could not be connected to when that was last tried.
    pub fn is_down(&self) -> bool {
        self.outage.is_down()
    }

    /// Whether it is not to be read while another server answers.
    pub(super) fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Acquire)
    }

    pub(super) fn set_failing(&self, is_failing: bool) {
        self.is_failing.store(is_failing, Ordering::Release);
    }

    pub(super) fn role(&self) -> Option<Role> {
        *lock(&self.role)
    }

    pub(super) fn set_role(&self, role: Role) {
        if let Role::Primary { timeline } = role {
            self.latest_timeline.fetch_max(timeline, Ordering::AcqRel);
        }
        *lock(&self.role) = Some(role);
    }

    /// Closes connections that were not used lately.
    pub fn close_idle(&self) {
        self.connections.close_idle();
    }

    /// Asks the server what it is and how far its streams are; one that is down is tried.
    ///
    /// # Errors
    /// [`ShardError`]; the server is then read only where no other answers.
    pub async fn look(&self, within: Duration) -> Result<Vec<StreamPosition>, ShardError> {
        let looked = async {
            if self.is_down() {
                let _turn = self.outage.next_turn().await;
                drop(self.connect(Instant::now() + within, false).await?);
            }
            self.with_connection(&|connection| look(connection).boxed(), within).await
        };
        let outcome = looked.await;
        if matches!(outcome, Err(ShardError::Slow { .. })) {
            // Whether it is slow, or stands still, a new connection shows. Who stands still is down: nobody else is to wait for it.
            let _ = self.connect(Instant::now() + 2 * SILENCE, false).await;
        }
        self.set_failing(outcome.is_err());
        let (role, positions) = outcome?;
        self.set_role(role);
        Ok(positions)
    }

    /// Does something with a connection.
    ///
    /// # Errors
    /// [`ShardError`].
    pub async fn with_connection<T>(&self, work: Work<'_, T>, within: Duration) -> Result<T, ShardError> {
        let once = |until| async move {
            let mut lease = self.lease(until).await?;
            let value = work(&mut lease).await.map_err(|error| self.failed(error))?;
            lease.done();
            Ok(value)
        };
        self.attempt(within, once).await
    }

    /// Does work on a connection, until the time is over. Where the server was restarted since, every connection in the
    /// pool is broken, and is found so one by one; so it is tried until one of them, or a new one, works.
    ///
    /// # Errors
    /// [`ShardError::Slow`] when the time is over, and what the work gives.
    pub async fn attempt<T, F>(&self, within: Duration, work: impl Fn(Instant) -> F) -> Result<T, ShardError>
    where
        F: Future<Output = Result<T, ShardError>>,
    {
        let until = Instant::now() + within;
        let attempts = async {
            for _ in 0..self.connections_max {
                match work(until).await {
                    Err(error) if error.is_broken_connection() => {}
                    outcome => return outcome,
                }
            }
            work(until).await
        };
        timeout_at(until, attempts).await.unwrap_or(Err(ShardError::Slow { shard: self.shard, within }))
    }

    /// Leases a connection: an idle one, or a new one.
    ///
    /// # Errors
    /// [`ShardError::Busy`] or [`ShardError::Unreachable`].
    pub async fn lease(&self, until: Instant) -> Result<Lease, ShardError> {
        let permit = timeout_at(until, self.connections.permit()).await.map_err(|_late| self.busy())?;
        // First of all: of a server that is known to be away no connection is worth a test, and its health check tries it anyway.
        let turn = self.outage.turn(Instant::now()).map_err(|reason| self.unreachable(&reason))?;
        match self.connections.idle(permit).await {
            Ok(lease) => Ok(lease),
            Err(permit) => {
                // The rest is for the statement, or for noting that there will be none.
                let patience = until.saturating_duration_since(Instant::now()) * 3 / 4;
                let connection = self.connect(Instant::now() + patience, turn.is_none()).await?;
                Ok(self.connections.new_lease(connection, permit))
            }
        }
    }

    /// An error of a statement on this server.
    pub fn failed(&self, error: sqlx::Error) -> ShardError {
        ShardError::Failed { shard: self.shard, error }
    }

    /// Connects; where it is worth while, again until the time is over.
    async fn connect(&self, until: Instant, is_patient: bool) -> Result<PgConnection, ShardError> {
        let began = Instant::now();
        loop {
            let connected = timeout_at(until, connect(&self.address, &self.session)).await;
            match connected.unwrap_or(Err(Refused::Silent)) {
                Ok((connection, role)) => {
                    self.set_up(role);
                    return Ok(connection);
                }
                Err(refused) if is_patient && refused.is_passing() && Instant::now() + PAUSE < until => {
                    sleep(PAUSE).await;
                }
                Err(refused) if refused.is_of_resources() => return Err(self.busy()),
                Err(Refused::Silent) if began.elapsed() < SILENCE => {
                    return Err(ShardError::Slow { shard: self.shard, within: began.elapsed() });
                }
                Err(refused) => return Err(self.set_down(&refused)),
            }
        }
    }

    fn set_up(&self, role: Role) {
        self.set_role(role);
        if self.outage.end() {
            info!(shard = %self.shard, address = %self.name, "shard can be read again");
        }
    }

    fn set_down(&self, refused: &Refused) -> ShardError {
        let reason = refused.to_string();
        let error = match refused {
            Refused::Foreign(_) => {
                ShardError::Foreign { shard: self.shard, reason: format!("{}: {reason}", self.name) }
            }
            _ => self.unreachable(&reason),
        };
        if self.outage.note(reason, Instant::now()) {
            warn!(shard = %self.shard, address = %self.name, reason = %refused, "shard cannot be read");
        }
        error
    }

    fn unreachable(&self, reason: &str) -> ShardError {
        ShardError::Unreachable { shard: self.shard, reason: format!("{}: {reason}", self.name) }
    }

    fn busy(&self) -> ShardError {
        ShardError::Busy { shard: self.shard }
    }
}

async fn look(connection: &mut PgConnection) -> Result<(Role, Vec<StreamPosition>), sqlx::Error> {
    let sql = AssertSqlSafe(format!("select {}", Role::SQL));
    let timeline: Option<i32> = sqlx::query_scalar(sql).fetch_one(&mut *connection).await?;
    Ok((Role::of(timeline), StreamPosition::all(connection).await?))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
