//! The rows of a view that was dropped, deleted piece by piece.
//!
//! Nothing is derived with it any more, so no row comes behind. A piece is a run of blocks of one partition, so that every block is
//! read once, and no transaction is long. While a partition is being merged nothing is deleted: what a merge copies must not change.

use std::collections::BTreeSet;
use std::time::Duration;

use forebay_model::{Lane, ViewId};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};
use tokio::time::{Instant, sleep};

use crate::connection::sqlstate::sqlstate;
use crate::partition::MERGE_LOCK;

/// Blocks of a partition that are looked through in one transaction: 8 MiB.
const BLOCKS: i64 = 1024;
/// The SQLSTATE of a table that is not there.
const UNDEFINED_TABLE: &str = "42P01";
/// How long to wait for a merge.
const MERGE_POLL: Duration = Duration::from_millis(500);

/// A table whose rows are of views.
#[derive(Clone, Copy)]
enum ViewTable {
    /// Facts, which are counted.
    Of(Lane),
    /// What they come to.
    Sums,
}

const TABLES: [ViewTable; 3] = [ViewTable::Of(Lane::Views), ViewTable::Of(Lane::ViewEvents), ViewTable::Sums];

/// Deletes every row of a view, and what they come to. Returns how many rows were deleted, now and before.
///
/// # Errors
/// Whatever the server says. Run again, it goes on.
pub async fn delete_dropped(connection: &mut PgConnection, view: ViewId) -> Result<u64, sqlx::Error> {
    const ROWS: &str = "select coalesce(sum(rows), 0)::int8 from view_dropped where id = $1";
    for table in TABLES {
        let mut done: BTreeSet<String> = BTreeSet::new();
        // Partitions are made and merged meanwhile, so they are listed until there is none that was not looked through.
        while let Some(partition) = partitions(connection, table).await?.into_iter().find(|name| !done.contains(name)) {
            let (mut block, mut goes_on) = (0, true);
            while goes_on {
                let begun = Instant::now();
                goes_on = delete_piece(connection, table, &partition, block, view).await?;
                block += BLOCKS;
                // Half of the time is others'.
                sleep(begun.elapsed()).await;
            }
            done.insert(partition);
        }
    }
    let rows: i64 = sqlx::query_scalar(ROWS).bind(number(view)).fetch_one(connection).await?;
    Ok(rows.unsigned_abs())
}

/// What a table consists of.
async fn partitions(connection: &mut PgConnection, table: ViewTable) -> Result<Vec<String>, sqlx::Error> {
    const SQL: &str =
        "select inhrelid::regclass::text from pg_inherits where inhparent = $1::text::regclass order by 1";
    match table {
        ViewTable::Of(lane) if lane.is_partitioned_by_time() => {
            sqlx::query_scalar(SQL).bind(lane.table()).fetch_all(connection).await
        }
        ViewTable::Of(lane) => Ok(vec![lane.table().to_owned()]),
        ViewTable::Sums => Ok(vec!["view_sums".to_owned()]),
    }
}

/// Returns whether the partition goes on behind this piece.
async fn delete_piece(
    connection: &mut PgConnection,
    table: ViewTable,
    partition: &str,
    block: i64,
    view: ViewId,
) -> Result<bool, sqlx::Error> {
    loop {
        match try_piece(connection, table, partition, block, view).await {
            Ok(Some(goes_on)) => return Ok(goes_on),
            Ok(None) => sleep(MERGE_POLL).await,
            // It was merged: what it became is another one.
            Err(error) if sqlstate(&error).as_deref() == Some(UNDEFINED_TABLE) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

/// `None` while something is being merged.
async fn try_piece(
    connection: &mut PgConnection,
    table: ViewTable,
    partition: &str,
    block: i64,
    view: ViewId,
) -> Result<Option<bool>, sqlx::Error> {
    const LOCK: &str = "select pg_try_advisory_xact_lock($1)";
    let mut transaction = connection.begin().await?;
    let is_alone: bool = sqlx::query_scalar(LOCK).bind(MERGE_LOCK).fetch_one(&mut *transaction).await?;
    if !is_alone {
        transaction.rollback().await?;
        return Ok(None);
    }
    let counted_as = match table {
        ViewTable::Of(lane) => Some(lane.as_str()),
        ViewTable::Sums => None,
    };
    // The name is the catalogue's, quoted where that is needed.
    let delete = format!(
        "with gone as (delete from only {partition} where ctid >= $1::text::tid and ctid < $2::text::tid and view = $3 returning 1), \
            counted as (insert into view_dropped as d (id, lane, rows) select $3, $6, count(*) from gone having count(*) > 0 and $6 is not null \
                on conflict (id, lane) do update set rows = d.rows + excluded.rows) \
        select pg_relation_size($4::text::regclass) > $5 * current_setting('block_size')::int8"
    );
    let row = sqlx::query(AssertSqlSafe(delete))
        .bind(format!("({block},0)"))
        .bind(format!("({},0)", block + BLOCKS))
        .bind(number(view))
        .bind(partition)
        .bind(block + BLOCKS)
        .bind(counted_as)
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(Some(row.try_get(0)?))
}

fn number(view: ViewId) -> i16 {
    view.number().cast_signed()
}

/// How many rows of a lane were deleted on a shard because their views were dropped. In a transaction of level `repeatable read` it belongs to the same snapshot as
/// whatever else is read there.
pub async fn rows_dropped(connection: &mut PgConnection, lane: Lane) -> Result<u64, sqlx::Error> {
    const SQL: &str = "select coalesce(sum(rows), 0)::int8 from view_dropped where lane = $1";
    let rows: i64 = sqlx::query_scalar(SQL).bind(lane.as_str()).fetch_one(connection).await?;
    Ok(rows.unsigned_abs())
}
