//! One shard, as reads see it: connections, windows, how far its lanes are known to be, and one way to run a statement.
//!
//! Every statement has a deadline, from asking for a connection to the last row. What exceeds it loses its connection, so
//! a slow shard costs its readers time and nobody a place in the pool.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use forebay_model::{Lane, Position, ShardId};
use forebay_shard::{PoolSettings, ShardAddresses, ShardPool};
use futures::TryStreamExt;
use futures::future::BoxFuture;
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgArguments, PgConnection};

use crate::error::ShardError;
use crate::known::Known;
use crate::lease::Connections;
use crate::meter::Meter;
use crate::row::{AnyRow, FactRow};
use crate::statement::SESSION;
use crate::window::Windows;

/// A shard that is read.
#[derive(Debug)]
pub(crate) struct Shard {
    id: ShardId,
    connections: Connections,
    connections_max: u32,
    timeout: Duration,
    windows: RwLock<Arc<[Arc<Windows>; 2]>>,
    known: Known,
    meter: Meter,
}

/// A statement and what it may bring.
pub(crate) struct Ask<'a> {
    /// Its kind in metrics.
    pub(crate) read: &'static str,
    pub(crate) text: Arc<str>,
    /// Makes the parameters; again where the statement is tried again.
    pub(crate) arguments: &'a (dyn Fn() -> PgArguments + Send + Sync),
    /// Reading stops behind the row that exceeds this many bytes.
    pub(crate) bytes_max: usize,
}

/// What a statement gave.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// The lane's position in the snapshot of the rows; `None` before the first commit.
    pub(crate) position: Option<Position>,
    pub(crate) facts: Vec<FactRow>,
    /// Whether there are more rows, which were not read because of their bytes.
    pub(crate) is_cut: bool,
}

impl Shard {
    pub(crate) fn new(id: ShardId, addresses: &ShardAddresses, connections_max: u32, timeout: Duration) -> Self {
        let settings = PoolSettings {
            application_name: "forebay-query".to_owned(),
            connections_max,
            acquire_timeout: timeout,
            // The deadline here comes first; this ends what the server would go on with.
            statement_timeout: timeout + Duration::from_millis(500),
            parameters: SESSION.to_vec(),
        };
        let whole = || Arc::new(Windows::whole());
        Self {
            id,
            connections: Connections::new(ShardPool::new(id, addresses, &settings), connections_max),
            connections_max,
            timeout,
            windows: RwLock::new(Arc::new([whole(), whole()])),
            known: Known::default(),
            meter: Meter::new(id),
        }
    }

    pub(crate) fn id(&self) -> ShardId {
        self.id
    }

    /// Closes connections that nobody needs.
    pub(crate) fn close_idle(&self) {
        self.connections.close_idle();
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

    /// Runs a statement of [`statement`](crate::statement).
    pub(crate) async fn read(&self, ask: &Ask<'_>) -> Result<Rows, ShardError> {
        let rows = self.attempt(|| self.read_once(ask)).await;
        rows.map(|(rows, began)| {
            self.meter.read(ask.read, began, rows.facts.len());
            rows
        })
    }

    /// Does something with a connection, within the time that a read may take. For what is no statement over facts.
    pub(crate) async fn with_connection<T>(
        &self,
        read: &'static str,
        work: for<'c> fn(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
    ) -> Result<T, ShardError> {
        let once = || async {
            let mut lease = self.connections.lease().await?;
            let value = work(lease.connection()).await.map_err(|error| self.failed(error))?;
            lease.done();
            Ok(value)
        };
        let (value, began) = self.attempt(once).await?;
        self.meter.read(read, began, 0);
        Ok(value)
    }

    /// Does work on a connection, until the deadline. Where the server was restarted since, every connection in the pool is
    /// broken, and is found so one by one; so it is tried until one of them, or a new one, works.
    async fn attempt<T, F>(&self, work: impl Fn() -> F) -> Result<(T, Instant), ShardError>
    where
        F: Future<Output = Result<T, ShardError>>,
    {
        let began = Instant::now();
        let within = self.timeout;
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
        let outcome = outcome.unwrap_or(Err(ShardError::Slow { shard: self.id, within }));
        outcome.map(|value| (value, began)).inspect_err(|error| self.meter.failed(error))
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
        ShardError::Failed { shard: self.id, error }
    }
}
