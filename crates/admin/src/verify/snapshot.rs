//! One moment of a shard: its positions and its rows, read in one transaction.

use anyhow::{Context, Result};
use forebay_model::{Lane, ShardId, StreamKind};
use forebay_shard::{DeadLetter, LetterFilter, ShardPool, StreamPosition};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Executor};

use super::settings::Depth;
use crate::facts::order::OrderKey;

/// A snapshot of a shard.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) shard: ShardId,
    /// The connection is closed with the snapshot: it is in the middle of a transaction.
    pub(super) connection: PgConnection,
    pub(super) positions: Vec<StreamPosition>,
    cursors: u32,
}

/// Rows of a snapshot, page by page.
#[derive(Debug)]
pub(super) struct Cursor(String);

impl Snapshot {
    pub(super) async fn open(pool: &ShardPool) -> Result<Self> {
        // A table is read from end to end, and the transaction waits meanwhile for what other shards say.
        const SETTINGS: &str = "begin isolation level repeatable read read only; set local statement_timeout = '1h'; \
            set local idle_in_transaction_session_timeout = 0; set local enable_seqscan = on; \
            set local cursor_tuple_fraction = 1";
        let mut connection = pool.acquire().await?.detach();
        connection.execute(SETTINGS).await.context("no snapshot")?;
        let positions = StreamPosition::all(&mut connection).await.context("the positions cannot be read")?;
        Ok(Self { shard: pool.shard(), connection, positions, cursors: 0 })
    }

    pub(super) fn position(&self, stream: StreamKind) -> Option<&StreamPosition> {
        self.positions.iter().find(|position| position.stream == stream)
    }

    /// How many rows a table has.
    pub(super) async fn rows(&mut self, table: &'static str) -> Result<u64> {
        let sql = AssertSqlSafe(format!("select count(*) from {table}"));
        let rows: i64 = sqlx::query_scalar(sql).fetch_one(&mut self.connection).await?;
        Ok(rows.unsigned_abs())
    }

    /// How many rows of a lane's log lie among the dead letters.
    pub(super) async fn dead_rows(&mut self, lane: Lane) -> Result<u64> {
        let filter = LetterFilter { lane: Some(lane), ..LetterFilter::default() };
        let counts = DeadLetter::counts(&mut self.connection, &filter).await?;
        Ok(counts.iter().map(|count| count.rows).sum())
    }

    /// Opens a cursor over these columns of a table: over every row, or over about so many, of which there are `rows`.
    pub(super) async fn cursor(
        &mut self,
        table: &'static str,
        columns: &str,
        depth: Depth,
        rows: u64,
    ) -> Result<Cursor> {
        let sampled = Self::sampled(table, depth, rows);
        self.declare(&format!("select {columns} from {sampled}")).await
    }

    /// A table, or about so many of its rows, as a statement has it.
    pub(super) fn sampled(table: &'static str, depth: Depth, rows: u64) -> String {
        match depth {
            Depth::Full => table.to_owned(),
            // Whole blocks are taken or left, which costs as much as it brings.
            Depth::Sample(wanted) => {
                let percent = (f64::from(wanted) * 100.0 / rows.max(1) as f64).min(100.0);
                format!("{table} tablesample system ({percent:.6})")
            }
        }
    }

    /// Opens a cursor over the identities of the orders that a table is about, for [`Snapshot::keys`].
    pub(super) async fn key_cursor(&mut self, table: &'static str, depth: Depth, rows: u64) -> Result<Cursor> {
        self.cursor(table, "ordered_at, order_id, customer_id, tenant", depth, rows).await
    }

    /// Opens a cursor over what a fixed statement gives.
    pub(super) async fn declare(&mut self, select: &str) -> Result<Cursor> {
        self.cursors += 1;
        let name = format!("rows{}", self.cursors);
        let declare = format!("declare {name} no scroll cursor for {select}");
        self.connection.execute(AssertSqlSafe(declare)).await?;
        Ok(Cursor(name))
    }

    /// The next rows of a cursor; none at its end.
    pub(super) async fn page(&mut self, cursor: &Cursor, rows: u32) -> Result<Vec<PgRow>> {
        let fetch = AssertSqlSafe(format!("fetch {rows} from {}", cursor.0));
        // Not simply executed: only prepared statements answer in the binary format that times are read from.
        Ok(sqlx::query(fetch).persistent(false).fetch_all(&mut self.connection).await?)
    }

    /// The next identities of a cursor over them; none at its end.
    pub(super) async fn keys(&mut self, cursor: &Cursor, rows: u32) -> Result<Vec<OrderKey>> {
        let page = self.page(cursor, rows).await?;
        Ok(page.iter().map(|row| OrderKey::from_row(row, 0)).collect::<Result<_, _>>()?)
    }
}
