//! One shard, as reads see it: connections, windows, how far its lanes are known to be, and one way to run a statement.
//!
//! Every statement has a deadline, from asking for a connection to the last row. What exceeds it loses its connection, so
//! a slow shard costs its readers time and nobody a place in the pool.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use forebay_model::{Lane, Position, ShardId};
use forebay_shard::{PoolSettings, ShardAddresses, ShardPool};
use futures::TryStreamExt;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgArguments;

use crate::error::ShardError;
use crate::known::Known;
use crate::lease::Lease;
use crate::meter::Meter;
use crate::row::{AnyRow, FactRow};
use crate::window::Windows;

/// Settings of the sessions. Every statement is a walk along an index, whatever the planner would make of a table that it
/// has no figures of yet, and is planned once per connection: its parameters never change which plan is best.
const PARAMETERS: [(&str, &str); 6] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("max_parallel_workers_per_gather", "0"),
    ("default_transaction_read_only", "on"),
    ("jit", "off"),
];

/// A shard that is read.
#[derive(Debug)]
pub(crate) struct Shard {
    id: ShardId,
    pool: ShardPool,
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
            parameters: PARAMETERS.to_vec(),
        };
        let whole = || Arc::new(Windows::whole());
        Self {
            id,
            pool: ShardPool::new(id, addresses, &settings),
            timeout,
            windows: RwLock::new(Arc::new([whole(), whole()])),
            known: Known::default(),
            meter: Meter::new(id),
        }
    }

    pub(crate) fn id(&self) -> ShardId {
        self.id
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

    /// Runs a statement of [`statement`](crate::statement). One whose connection turns out to be broken is tried again on a
    /// new one: the server may have been restarted since it was last used.
    pub(crate) async fn read(&self, ask: &Ask<'_>) -> Result<Rows, ShardError> {
        let rows = self
            .timed(ask.read, async {
                match self.read_once(ask).await {
                    Err(error) if error.is_broken_connection() => self.read_once(ask).await,
                    rows => rows,
                }
            })
            .await?;
        Ok(rows)
    }

    /// Does something with a connection, within the time that a read may take. For what is no statement over facts.
    pub(crate) async fn with_connection<T>(
        &self,
        read: &'static str,
        work: impl AsyncFnOnce(&mut sqlx::postgres::PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, ShardError> {
        let done = self.timed(read, async {
            let mut lease = Lease::of(&self.pool).await?;
            let value = work(lease.connection()).await.map_err(|error| self.failed(error))?;
            lease.done();
            Ok(Done(value))
        });
        Ok(done.await?.0)
    }

    async fn timed<T: Measured>(
        &self,
        read: &'static str,
        work: impl Future<Output = Result<T, ShardError>>,
    ) -> Result<T, ShardError> {
        let began = Instant::now();
        let within = self.timeout;
        let outcome = tokio::time::timeout(within, work).await;
        let outcome = outcome.unwrap_or(Err(ShardError::Slow { shard: self.id, within }));
        match &outcome {
            Ok(done) => self.meter.read(read, began, done.rows()),
            Err(error) => self.meter.failed(error),
        }
        outcome
    }

    async fn read_once(&self, ask: &Ask<'_>) -> Result<Rows, ShardError> {
        let mut lease = Lease::of(&self.pool).await?;
        let failed = |error| self.failed(error);
        let mut rows = Rows::default();
        let mut bytes = 0;
        let query = sqlx::query_with(AssertSqlSafe(Arc::clone(&ask.text)), (ask.arguments)());
        let mut stream = query.fetch(lease.connection());
        while let Some(row) = stream.try_next().await.map_err(failed)? {
            match AnyRow::of(row).map_err(failed)? {
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

/// Whose rows are counted.
trait Measured {
    fn rows(&self) -> usize;
}

struct Done<T>(T);

impl Measured for Rows {
    fn rows(&self) -> usize {
        self.facts.len()
    }
}

impl<T> Measured for Done<T> {
    fn rows(&self) -> usize {
        0
    }
}
