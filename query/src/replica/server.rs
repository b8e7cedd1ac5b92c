//! One server of a shard: its connections, what it is at the moment, and how far its lanes were when it was last seen.
//!
//! Every statement has a time, from asking for a connection to the last row. What exceeds it loses its connection, so a
//! slow server costs its readers time and nobody a place in the pool.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forebay_model::{Lane, PerLane, Position, ShardId};
use forebay_shard::{PoolSettings, ShardAddress, ShardPool};
use futures::TryStreamExt;
use futures::future::BoxFuture;
use metrics::{Counter, counter};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use crate::error::ShardError;
use crate::replica::ask::{Ask, Rows};
use crate::replica::lease::Connections;
use crate::sql::row::AnyRow;
use crate::sql::statement::SESSION;

/// A server of a shard.
#[derive(Debug)]
pub(crate) struct Server {
    shard: ShardId,
    name: String,
    connections: Connections,
    connections_max: u32,
    is_primary: AtomicBool,
    is_avoided: AtomicBool,
    sights: Mutex<PerLane<Option<Sight>>>,
    answers: Counter,
}

/// How far a lane was when the server was last seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight {
    pub(crate) position: Position,
    /// Whether that was far enough for a replica to be read.
    pub(crate) is_fresh: bool,
}

/// What is done with a connection.
pub(crate) type Work<T> = for<'c> fn(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>;

impl Server {
    pub(crate) fn new(shard: ShardId, address: &ShardAddress, connections_max: u32, timeout: Duration) -> Self {
        let settings = PoolSettings {
            application_name: "forebay-query".to_owned(),
            connections_max,
            acquire_timeout: timeout,
            // The deadline here comes first; this ends what the server would go on with.
            statement_timeout: timeout + Duration::from_millis(500),
            parameters: SESSION.to_vec(),
        };
        let name = address.to_string();
        let labels = [("shard", shard.to_string()), ("server", name.clone())];
        Self {
            shard,
            connections: Connections::new(ShardPool::new(shard, &address.clone().into(), &settings), connections_max),
            connections_max,
            is_primary: AtomicBool::new(false),
            is_avoided: AtomicBool::new(false),
            sights: Mutex::default(),
            answers: counter!("forebay_query_server_reads_total", &labels),
            name,
        }
    }

    /// Where it is: `host:port/database`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the shard's primary, as far as is known.
    pub(crate) fn is_primary(&self) -> bool {
        self.is_primary.load(Ordering::Acquire)
    }

    pub(crate) fn set_primary(&self, is_primary: bool) {
        self.is_primary.store(is_primary, Ordering::Release);
    }

    /// Whether to ask it only where nobody else answers.
    pub(crate) fn is_avoided(&self) -> bool {
        self.is_avoided.load(Ordering::Acquire)
    }

    /// Leaves it alone until it was found to answer.
    pub(crate) fn set_avoided(&self, is_avoided: bool) {
        self.is_avoided.store(is_avoided, Ordering::Release);
    }

    /// How far a lane was when it was last seen.
    pub(crate) fn sight(&self, lane: Lane) -> Option<Sight> {
        self.sights.lock().unwrap_or_else(PoisonError::into_inner)[lane]
    }

    pub(crate) fn set_sight(&self, lane: Lane, sight: Sight) {
        self.sights.lock().unwrap_or_else(PoisonError::into_inner)[lane] = Some(sight);
    }

    /// Closes connections that nobody needs.
    pub(crate) fn close_idle(&self) {
        self.connections.close_idle();
    }

    /// Runs a statement of [`statement`](crate::sql::statement).
    pub(crate) async fn read(&self, ask: &Ask<'_>, within: Duration) -> Result<Rows, ShardError> {
        let rows = self.attempt(within, || self.read_once(ask)).await?;
        self.answers.increment(1);
        Ok(rows)
    }

    /// Does something with a connection. For what is no statement over facts.
    pub(crate) async fn with_connection<T>(&self, work: Work<T>, within: Duration) -> Result<T, ShardError> {
        let once = || async {
            let mut lease = self.connections.lease().await?;
            let value = work(lease.connection()).await.map_err(|error| self.failed(error))?;
            lease.done();
            Ok(value)
        };
        self.attempt(within, once).await
    }

    /// Does work on a connection, until the time is over. Where the server was restarted since, every connection in the
    /// pool is broken, and is found so one by one; so it is tried until one of them, or a new one, works.
    async fn attempt<T, F>(&self, within: Duration, work: impl Fn() -> F) -> Result<T, ShardError>
    where
        F: Future<Output = Result<T, ShardError>>,
    {
        let attempts = async {
            for _ in 0..self.connections_max {
                match work().await {
                    Err(error) if error.is_broken_connection() => {}
                    outcome => return outcome,
                }
            }
            work().await
        };
        let outcome = tokio::time::timeout(within, attempts).await;
        outcome.unwrap_or(Err(ShardError::Slow { shard: self.shard, within }))
    }

    async fn read_once(&self, ask: &Ask<'_>) -> Result<Rows, ShardError> {
        let mut lease = self.connections.lease().await?;
        let failed = |error| self.failed(error);
        let mut rows = Rows::default();
        let mut bytes = 0;
        let query = sqlx::query_with(AssertSqlSafe(Arc::clone(&ask.text)), (ask.arguments)());
        let mut stream = query.fetch(lease.connection());
        while let Some(row) = stream.try_next().await.map_err(failed)? {
            match AnyRow::of(&row).map_err(failed)? {
                AnyRow::Position(position) => rows.position = Some(position),
                AnyRow::Fact(fact) => {
                    bytes += fact.bytes();
                    rows.facts.push(fact);
                }
            }
            if bytes > ask.bytes_max {
                rows.is_cut = true;
                return Ok(rows);
            }
        }
        drop(stream);
        lease.done();
        Ok(rows)
    }

    fn failed(&self, error: sqlx::Error) -> ShardError {
        ShardError::Failed { shard: self.shard, error }
    }
}
