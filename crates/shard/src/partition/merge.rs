//! How the partitions of a period that is over become one.
//!
//! **A row that is stored is never lost by it**, because of three things:
//!
//! 1. Rows come only through commits of the lane, and a commit moves the lane's position in its transaction. The process that merges
//!    has noted, before each commit was sent, which days it touches. The table takes the partitions' place under a lock that
//!    no commit passes, and only where the noted commits account for the position as it then is, and none since the copying
//!    began touched the period. Otherwise it is dropped. (Rows of a day change by its commits as well: their status by what
//!    happened to their orders, of which it is known only when the commit is answered whose they are.)
//! 2. The period must then still consist of exactly the partitions that were copied.
//! 3. A transaction that began before the table was filled may read under a snapshot in which it is empty, so all of those
//!    must have ended before.
//!
//! The lock is waited for only briefly: while it is waited for, everybody else waits, too.

use std::time::Duration;

use forebay_model::{Lane, Position, Timestamp};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};

use super::build::{Build, RANGE_CHECK, building, drop_leftover, execute, transactions};
use super::catalogue::{CREATION_LOCK, literal, read_partitions};
use super::period::{self, Period};
use crate::connection::address::{ShardAddress, ShardAddresses};
use crate::connection::session::{SessionSettings, connect_primary};
use crate::connection::sqlstate::ErrorClass;
use crate::position::StreamPosition;
use crate::step::{Step, StepError, StoreError, within};

/// One merge at a time per shard, whichever lane and whichever process it is of.
pub(crate) const MERGE_LOCK: i64 = 0x666f_7265_0002;
/// How long the lock on the table is waited for.
const LOCK_MAX: Duration = Duration::from_millis(500);
/// A partition may be large.
const STATEMENT_MAX: Duration = Duration::from_mins(30);

/// A session that merges partitions of one lane. After an error it is of no use any more.
#[derive(Debug)]
pub struct Merger {
    lane: Lane,
    connection: PgConnection,
}

/// What is known of what commits did to a period since the copying began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// Nothing.
    No,
    /// Something, or nobody can tell.
    Yes,
    /// One was committed just now, and its writer will know when it has heard of that.
    Unanswered,
}

/// What became of the attempt to put a table in the place of its period's partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// It is in their place.
    Done,
    /// Somebody may still read under a snapshot in which the table is empty. Nothing was locked.
    Early,
    /// Somebody holds a lock, or has just committed: later it may succeed.
    Busy,
    /// Something was written since the copying began: the table is of no use any more.
    Stale,
}

impl Merger {
    /// Connects to the server that the lane is written to, and drops what an earlier attempt has left. `None` while something
    /// else is being merged there.
    pub async fn open(address: &ShardAddress, lane: Lane) -> Result<Option<Self>, StoreError> {
        let settings = SessionSettings {
            application_name: format!("forebay-writer {lane} merge"),
            statement_timeout: STATEMENT_MAX,
            lock_timeout: LOCK_MAX,
            parameters: vec![("max_parallel_workers_per_gather", "0"), ("max_parallel_maintenance_workers", "0")],
        };
        let addresses = ShardAddresses::from(address.clone());
        let (mut connection, _) =
            connect_primary(&addresses, &settings).await.map_err(|error| StepError::connect(&error))?;
        let lock = sqlx::query_scalar("select pg_try_advisory_lock($1)").bind(MERGE_LOCK).fetch_one(&mut connection);
        if !merging(lock).await? {
            return Ok(None);
        }
        let mut merger = Self { lane, connection };
        merger.discard().await?;
        Ok(Some(merger))
    }

    /// The periods that are over and have more than one partition. The first that nobody writes to is the one to merge next.
    pub async fn periods(&mut self, now: Timestamp) -> Result<Vec<Period>, StoreError> {
        let partitions = merging(read_partitions(&mut self.connection, self.lane.table(), true)).await?;
        Ok(period::periods(&partitions.unwrap_or_default(), now))
    }

    /// Begins to build the table that is to take the place of the period's partitions.
    pub async fn begin(&mut self, period: Period) -> Result<Build, StoreError> {
        merging(Build::begin(&mut self.connection, self.lane, period)).await
    }

    /// Does the next piece of the work. Returns whether there was one: where not, the table can take its place.
    pub async fn step(&mut self, build: &mut Build) -> Result<bool, StoreError> {
        merging(build.step(&mut self.connection, self.lane)).await
    }

    /// Puts the table in the place of its period's partitions, if `touch` says of the position that nothing touched the period
    /// up to there since before [`Merger::begin`].
    pub async fn swap(
        &mut self,
        build: &mut Build,
        touch: impl FnOnce(Option<Position>) -> Touch,
    ) -> Result<Swap, StoreError> {
        if self.is_early(build).await? {
            return Ok(Swap::Early);
        }
        let swap = merging(swap(&mut self.connection, self.lane, build, touch)).await;
        match swap {
            Err(error) if error.class() == ErrorClass::Contention => Ok(Swap::Busy),
            swap => swap,
        }
    }

    /// Drops the table that was being built, if there is any.
    pub async fn discard(&mut self) -> Result<(), StoreError> {
        merging(drop_leftover(&mut self.connection, self.lane)).await
    }

    /// Whether some transaction from before the table was filled still runs.
    async fn is_early(&mut self, build: &mut Build) -> Result<bool, StoreError> {
        if !build.older.is_empty() {
            let running = merging(transactions(&mut self.connection)).await?;
            build.older.retain(|older| running.contains(older));
        }
        Ok(!build.older.is_empty())
    }
}

async fn swap(
    connection: &mut PgConnection,
    lane: Lane,
    build: &Build,
    touch: impl FnOnce(Option<Position>) -> Touch,
) -> Result<Swap, sqlx::Error> {
    let table = lane.table();
    let mut transaction = connection.begin().await?;
    // A process that makes a partition has seen before that none is there.
    sqlx::query("select pg_advisory_xact_lock($1)").bind(CREATION_LOCK).execute(&mut *transaction).await?;
    // Everybody locks the table before its partitions, so this is enough to be alone with all of them.
    execute(&mut transaction, format!("lock table only {table} in access exclusive mode")).await?;
    let stored = StreamPosition::of(&mut transaction, lane.kind()).await?;
    let partitions = read_partitions(&mut transaction, table, false).await?.unwrap_or_default();
    let touch =
        if build.period.is_made_of(&partitions) { touch(stored.map(|stored| stored.position)) } else { Touch::Yes };
    if touch != Touch::No {
        transaction.rollback().await?;
        return Ok(if touch == Touch::Unanswered { Swap::Busy } else { Swap::Stale });
    }
    let replace = replace(lane, build);
    sqlx::raw_sql(AssertSqlSafe(replace)).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(Swap::Done)
}

/// Only maintenance, such as a vacuum, can still hold a lock on one of the tables. It is not waited for.
fn replace(lane: Lane, build: &Build) -> String {
    let (table, building, name) = (lane.table(), building(lane), &build.name);
    let names: Vec<&str> = build.period.partitions.iter().map(|partition| partition.name.as_str()).collect();
    let (old, each) = (names.join(", "), names.join(", only "));
    let (from, to) = (literal(build.period.span.from), literal(build.period.span.to));
    format!(
        "lock table only {each}, only {building} in access exclusive mode nowait; \
        drop table {old}; \
        alter table {building} reset (autovacuum_enabled); \
        alter table {building} rename to {name}; \
        alter table {table} attach partition {name} for values from ({from}) to ({to}); \
        alter table {name} drop constraint {RANGE_CHECK}"
    )
}

async fn merging<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    Ok(within(STATEMENT_MAX, Step::Merge, work).await?)
}
