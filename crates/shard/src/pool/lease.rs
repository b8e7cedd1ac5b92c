//! Connections to one server, each leased for the time of one statement or a few.
//!
//! The client library's pool asks the server whether a connection is still there each time one is given back, which costs as
//! much as a small statement, and waits for the answer with the place in the pool taken. Therefore connections are kept here.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// A connection that has been idle for longer is tested before it is leased: the server may have gone meanwhile.
const UNTESTED_MAX: Duration = Duration::from_millis(500);
/// How long that test may take.
const PING_MAX: Duration = Duration::from_millis(500);
/// A connection that was not used for this long is closed.
const IDLE_MAX: Duration = Duration::from_mins(2);
/// A connection is renewed after this long, so that a changed network name or a balanced pool is followed.
const LIFETIME: Duration = Duration::from_mins(10);

/// Connections to one server. Cloning it is cheap.
#[derive(Clone, Debug)]
pub(super) struct Connections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    permits: Arc<Semaphore>,
    /// The last used at the end.
    idle: Mutex<Vec<IdleConnection>>,
}

#[derive(Debug)]
struct IdleConnection {
    connection: PgConnection,
    made: Instant,
    used: Instant,
    /// Whether the last answer was read to its end.
    is_clean: bool,
}

/// The right to one of a server's connections.
pub(super) struct Permit(OwnedSemaphorePermit);

/// A connection that is leased. What becomes of it when it is dropped: see [`Lease::done`] and
/// [`ShardPool::acquire`](crate::ShardPool::acquire).
#[derive(Debug)]
pub struct Lease {
    from: Connections,
    /// Empty only while it is dropped.
    kept: Option<IdleConnection>,
    is_kept: bool,
    _permit: OwnedSemaphorePermit,
}

impl Connections {
    /// At most `max` at a time.
    pub(super) fn new(max: u32) -> Self {
        Self(Arc::new(Inner { permits: Arc::new(Semaphore::new(max as usize)), idle: Mutex::default() }))
    }

    /// Waits for a permit.
    pub(super) async fn permit(&self) -> Permit {
        let permit = Arc::clone(&self.0.permits).acquire_owned().await;
        Permit(permit.expect("the semaphore is never closed"))
    }

    /// Leases an idle connection that works; gives the permit back where there is none.
    pub(super) async fn idle(&self, permit: Permit) -> Result<Lease, Permit> {
        while let Some(mut kept) = self.with_idle(Vec::pop) {
            if kept.made.elapsed() > LIFETIME {
                continue;
            }
            let is_trusted = kept.is_clean && kept.used.elapsed() < UNTESTED_MAX;
            if is_trusted || timeout(PING_MAX, kept.connection.ping()).await.is_ok_and(|answer| answer.is_ok()) {
                return Ok(self.lease(kept, permit));
            }
        }
        Err(permit)
    }

    /// Leases a connection that was just made.
    pub(super) fn new_lease(&self, connection: PgConnection, permit: Permit) -> Lease {
        let now = Instant::now();
        self.lease(IdleConnection { connection, made: now, used: now, is_clean: true }, permit)
    }

    /// Closes connections that were not used lately.
    pub(super) fn close_idle(&self) {
        self.with_idle(|idle| idle.retain(|kept| kept.used.elapsed() < IDLE_MAX));
    }

    fn lease(&self, kept: IdleConnection, Permit(permit): Permit) -> Lease {
        let kept = IdleConnection { is_clean: true, ..kept };
        Lease { from: self.clone(), kept: Some(kept), is_kept: false, _permit: permit }
    }

    fn with_idle<T>(&self, work: impl FnOnce(&mut Vec<IdleConnection>) -> T) -> T {
        work(&mut self.0.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Lease {
    /// The answer was read to its end: the connection can be leased again as it is. Without this it is cut when the lease
    /// is dropped, so that the server ends what it was doing.
    pub fn done(mut self) {
        self.is_kept = true;
    }

    /// Has the connection cut when the lease is dropped before [`Lease::done`]: for what may be given up in the middle of an answer.
    #[must_use]
    pub fn cut_unless_done(mut self) -> Self {
        self.is_kept = false;
        self
    }

    /// The connection itself, which the pool forgets.
    ///
    /// # Panics
    /// Never: only the drop takes the connection.
    pub fn detach(mut self) -> PgConnection {
        self.kept.take().expect("only the drop takes it").connection
    }

    /// Has the connection kept when the lease is dropped, whatever was done with it; it is tested before it is leased again.
    pub(super) fn kept_and_tested(mut self) -> Self {
        self.is_kept = true;
        if let Some(kept) = &mut self.kept {
            kept.is_clean = false;
        }
        self
    }
}

impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.kept.as_ref().expect("only the drop takes it").connection
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.kept.as_mut().expect("only the drop takes it").connection
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(mut kept) = self.kept.take().filter(|_| self.is_kept) {
            kept.used = Instant::now();
            self.from.with_idle(|idle| idle.push(kept));
        }
    }
}
