//! The indexes by status, which lists by status walk along. An order costs what it costs without them where nothing ever happens to
//! one: they are made when the first event is stored, and beside everything else, partition by partition, without a lock that anybody
//! waits for. A list by status is exact without them as well, and slow.

use std::time::Duration;

use forebay_model::Lane;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::build::execute;
use super::merge::MERGE_LOCK;
use crate::connection::address::{ShardAddress, ShardAddresses};
use crate::connection::session::{SessionSettings, connect_primary};
use crate::step::{Step, StepError, StoreError, within};

/// A partition may be large.
const STATEMENT_MAX: Duration = Duration::from_mins(30);
/// How long a lock is waited for that others would wait behind.
const LOCK_MAX: Duration = Duration::from_millis(500);

/// An index of a table and of each of its partitions.
#[derive(Clone, Copy, Debug)]
struct StatusIndex {
    /// Its name behind the table's.
    suffix: &'static str,
    /// In brackets, and of which rows.
    of: &'static str,
}

/// What became of an attempt to make the indexes of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusIndexes {
    /// Nothing has happened to any order yet, so there are none.
    NotNeeded,
    /// Partitions are being merged: later.
    Busy,
    /// Every partition has them, and gets them from now on; with how many indexes are new.
    Made(usize),
}

/// By kind as well, so that the orders of one status and kind stand together: returns mostly stay what they are.
///
/// They are of every row, but only a statement that says so can use them. The planner knows nothing of how many orders have a status, or
/// a customer of a new partition: to look one order up it would go through all of its customer's, and take that for as short as the
/// primary key; for a customer's list by status it might walk through everybody's.
const fn of_lane(lane: Lane) -> &'static [StatusIndex] {
    match lane {
        Lane::Orders => &[
            StatusIndex {
                suffix: "customer_status",
                of: "(bucket, tenant, customer_id, status, kind, ordered_at, order_id) where status >= 0",
            },
            StatusIndex { suffix: "status", of: "(tenant, status, kind, ordered_at, order_id) where bucket >= 0" },
        ],
        Lane::Views => &[StatusIndex {
            suffix: "status",
            of: "(bucket, tenant, view, key, status, kind, ordered_at, order_id, customer_id) where status >= 0",
        }],
        Lane::Events | Lane::Index | Lane::ViewEvents => &[],
    }
}

/// The lane of what happened, where a lane's rows have a status.
const fn events_of(lane: Lane) -> Option<Lane> {
    match lane {
        Lane::Orders => Some(Lane::Events),
        Lane::Views => Some(Lane::ViewEvents),
        Lane::Events | Lane::Index | Lane::ViewEvents => None,
    }
}

impl StatusIndexes {
    /// Makes those of a lane's table that are missing, if events say that they are needed.
    ///
    /// # Errors
    /// Where the shard does not answer, or a lock is not free. What is made then stays made.
    pub async fn make(address: &ShardAddress, lane: Lane) -> Result<Self, StoreError> {
        let Some(events) = events_of(lane) else { return Ok(Self::NotNeeded) };
        let settings = SessionSettings {
            application_name: format!("forebay-writer {lane} indexes"),
            statement_timeout: STATEMENT_MAX,
            lock_timeout: LOCK_MAX,
            parameters: vec![("max_parallel_maintenance_workers", "0")],
        };
        let (mut connection, _) = connect_primary(&ShardAddresses::from(address.clone()), &settings)
            .await
            .map_err(|error| StepError::connect(&error))?;
        Ok(within(STATEMENT_MAX, Step::Partitions, make(&mut connection, lane, events)).await?)
    }
}

async fn make(connection: &mut PgConnection, lane: Lane, events: Lane) -> Result<StatusIndexes, sqlx::Error> {
    let sql = format!("select exists (select from {})", events.table());
    if !sqlx::query_scalar::<_, bool>(AssertSqlSafe(sql)).fetch_one(&mut *connection).await? {
        return Ok(StatusIndexes::NotNeeded);
    }
    // A table that is to take the place of partitions must have the indexes that they have.
    let lock = sqlx::query_scalar("select pg_try_advisory_lock($1)").bind(MERGE_LOCK);
    if !lock.fetch_one(&mut *connection).await? {
        return Ok(StatusIndexes::Busy);
    }
    let mut made = 0;
    for index in of_lane(lane) {
        made += index.make(connection, lane.table()).await?;
    }
    Ok(StatusIndexes::Made(made))
}

impl StatusIndex {
    /// Gives how many are new.
    async fn make(&self, connection: &mut PgConnection, table: &str) -> Result<usize, sqlx::Error> {
        const LACKING: &str = "select c.oid::regclass::text, c.relname::text from pg_inherits join pg_class c on c.oid = inhrelid \
            where inhparent = $1::regclass and not exists (select from pg_index join pg_inherits of on of.inhrelid = indexrelid \
                where indrelid = c.oid and of.inhparent = $2::regclass) order by 2 desc";
        let Self { suffix, of } = self;
        let index = format!("{table}_{suffix}");
        // Of the table alone: a partition that comes from now on gets its own, and those that are there one after the other.
        execute(connection, format!("create index if not exists {index} on only {table} {of}")).await?;
        // The newest first: there most lists begin.
        let lacking: Vec<(String, String)> =
            sqlx::query_as(LACKING).bind(table).bind(&index).fetch_all(&mut *connection).await?;
        for (partition, name) in &lacking {
            let own = format!("\"{}_{suffix}\"", name.replace('"', "\"\""));
            // What a crash has left is of no use, and may be half made.
            execute(connection, format!("drop index if exists {own}")).await?;
            // It waits for transactions that began before, and nobody waits for it.
            execute(connection, "set lock_timeout = 0".to_owned()).await?;
            execute(connection, format!("create index concurrently {own} on {partition} {of}")).await?;
            execute(connection, format!("set lock_timeout = {}", LOCK_MAX.as_millis())).await?;
            execute(connection, format!("alter index {index} attach partition {own}")).await?;
        }
        Ok(lacking.len())
    }
}
