//! Connections to a shard, each leased for the time of one statement.
//!
//! The client library's pool asks the server whether a connection is still there each time one is given back, which costs as
//! much as a small statement, and waits for the answer with the place in the pool taken. So connections are taken out of
//! that pool for good, and kept here.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use forebay_shard::{ShardPool, Unavailable};
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// A connection that has been idle for longer is tried before it is leased: the server may have gone meanwhile.
const UNTESTED_MAX: Duration = Duration::from_millis(500);
/// How long the test of an idle connection may take.
const PING_MAX: Duration = Duration::from_millis(500);
/// A connection that nobody has needed for so long is closed.
const IDLE_MAX: Duration = Duration::from_mins(2);
/// A connection is renewed after this long, so that a changed network name or a balanced pool is followed.
const LIFETIME: Duration = Duration::from_mins(10);

/// Connections to a shard.
#[derive(Debug)]
pub(crate) struct Connections {
    /// Makes new ones, to an address that works.
    pool: ShardPool,
    permits: Semaphore,
    /// The last used at the end.
    idle: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    connection: PgConnection,
    made: Instant,
    used: Instant,
}

/// A leased connection. It is kept only where the statement's answer was read to its end. Any other (the reader gave up,
/// ran out of time, or met an error) is cut.
pub(crate) struct Lease<'a> {
    from: &'a Connections,
    /// Empty only while it is dropped.
    kept: Option<Kept>,
    is_done: bool,
    _permit: SemaphorePermit<'a>,
}

impl Connections {
    /// At most `max` connections at a time.
    pub(crate) fn new(pool: ShardPool, max: u32) -> Self {
        Self { pool, permits: Semaphore::new(max as usize), idle: Mutex::default() }
    }

    /// Waits for a place, and leases a connection.
    pub(crate) async fn lease(&self) -> Result<Lease<'_>, Unavailable> {
        let permit = self.permits.acquire().await;
        let permit = permit.map_err(|_| Unavailable::Busy { shard: self.pool.shard() })?;
        let kept = match self.idle().await {
            Some(kept) => kept,
            None => {
                let now = Instant::now();
                Kept { connection: self.pool.acquire().await?.detach(), made: now, used: now }
            }
        };
        Ok(Lease { from: self, kept: Some(kept), is_done: false, _permit: permit })
    }

    /// Closes connections that nobody needs.
    pub(crate) fn close_idle(&self) {
        self.kept(|all| all.retain(|kept| kept.used.elapsed() < IDLE_MAX));
    }

    /// An idle connection that works.
    async fn idle(&self) -> Option<Kept> {
        while let Some(mut kept) = self.kept(Vec::pop) {
            if kept.made.elapsed() > LIFETIME {
                continue;
            }
            if kept.used.elapsed() < UNTESTED_MAX {
                return Some(kept);
            }
            if timeout(PING_MAX, kept.connection.ping()).await.is_ok_and(|answer| answer.is_ok()) {
                return Some(kept);
            }
        }
        None
    }

    fn kept<T>(&self, work: impl FnOnce(&mut Vec<Kept>) -> T) -> T {
        work(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Lease<'_> {
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.kept.as_mut().expect("only the drop takes it").connection
    }

    /// The answer was read to its end.
    pub(crate) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(mut kept) = self.kept.take().filter(|_| self.is_done) {
            kept.used = Instant::now();
            self.from.kept(|all| all.push(kept));
        }
    }
}
