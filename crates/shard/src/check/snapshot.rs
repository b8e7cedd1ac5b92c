//! One moment of a shard: its positions and its rows, read in one transaction.

use forebay_model::{Lane, ShardId, StreamKind};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Executor};

use crate::dead_letter::{DeadLetter, LetterFilter};
use crate::pool::{ShardError, ShardPool};
use crate::position::StreamPosition;
use crate::read::order_key::OrderKey;

/// A snapshot of a shard.
#[derive(Debug)]
pub struct Snapshot {
    shard: ShardId,
    /// It is closed with the snapshot: it is in the middle of a transaction.
    pub(super) connection: PgConnection,
    positions: Vec<StreamPosition>,
    cursors: u32,
}

/// Rows of a snapshot, page by page.
#[derive(Debug)]
pub struct Cursor<T> {
    name: String,
    read: fn(&PgRow) -> Result<T, sqlx::Error>,
}

/// Which rows of a table are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Portion {
    /// Every row.
    All,
    /// About `rows` rows, at random, of a table that has `of`.
    About {
        /// How many are wanted.
        rows: u32,
        /// How many there are.
        of: u64,
    },
}

impl Portion {
    /// A table, or this portion of it, as a statement has it.
    pub(super) fn of_table(self, table: &str) -> String {
        match self {
            Self::All => table.to_owned(),
            // Whole blocks are taken or left, which costs as much as it brings.
            Self::About { rows, of } => {
                let percent = (f64::from(rows) * 100.0 / of.max(1) as f64).min(100.0);
                format!("{table} tablesample system ({percent:.6})")
            }
        }
    }
}

impl Snapshot {
    /// Begins one on a connection of its own.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn open(pool: &ShardPool) -> Result<Self, ShardError> {
        // A table is read from end to end, and the transaction waits meanwhile for what other shards say.
        const SETTINGS: &str = "begin isolation level repeatable read read only; set local statement_timeout = '1h'; \
            set local idle_in_transaction_session_timeout = 0; set local enable_seqscan = on; \
            set local cursor_tuple_fraction = 1";
        let shard = pool.shard();
        let failed = |error| ShardError::Failed { shard, error };
        let mut connection = pool.acquire().await?.detach();
        connection.execute(SETTINGS).await.map_err(failed)?;
        let positions = StreamPosition::all(&mut connection).await.map_err(failed)?;
        Ok(Self { shard, connection, positions, cursors: 0 })
    }

    /// Which shard it is of.
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// For whatever else is to be read in the same snapshot.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Up to where a stream was committed then.
    pub fn position(&self, stream: StreamKind) -> Option<&StreamPosition> {
        self.positions.iter().find(|position| position.stream == stream)
    }

    /// How many rows a lane's table has.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn rows(&mut self, lane: Lane) -> Result<u64, sqlx::Error> {
        self.rows_of(lane.table()).await
    }

    /// How many rows of a lane's log lie among the dead letters.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn dead_rows(&mut self, lane: Lane) -> Result<u64, sqlx::Error> {
        let filter = LetterFilter { lane: Some(lane), ..LetterFilter::default() };
        let counts = DeadLetter::counts(&mut self.connection, &filter).await?;
        Ok(counts.iter().map(|count| count.rows).sum())
    }

    /// Opens a cursor over the identities of the orders that the index has.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn index(&mut self, portion: Portion) -> Result<Cursor<OrderKey>, sqlx::Error> {
        self.keys(Lane::Index.table(), portion).await
    }

    /// The next rows of a cursor; none at its end.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn page<T>(&mut self, cursor: &Cursor<T>, rows: u32) -> Result<Vec<T>, sqlx::Error> {
        let fetch = AssertSqlSafe(format!("fetch {rows} from {}", cursor.name));
        // Not simply executed: only prepared statements answer in the binary format that times are read from.
        let page = sqlx::query(fetch).persistent(false).fetch_all(&mut self.connection).await?;
        page.iter().map(cursor.read).collect()
    }

    /// How many rows a table has.
    pub(super) async fn rows_of(&mut self, table: &'static str) -> Result<u64, sqlx::Error> {
        let sql = AssertSqlSafe(format!("select count(*) from {table}"));
        let rows: i64 = sqlx::query_scalar(sql).fetch_one(&mut self.connection).await?;
        Ok(rows.unsigned_abs())
    }

    /// Opens a cursor over the identities of the orders that the rows of a table are about.
    pub(super) async fn keys(
        &mut self,
        table: &'static str,
        portion: Portion,
    ) -> Result<Cursor<OrderKey>, sqlx::Error> {
        let from = portion.of_table(table);
        let select = format!("select ordered_at, order_id, customer_id, tenant from {from}");
        self.declare(&select, |row| OrderKey::from_row(row, 0)).await
    }

    /// Opens a cursor over the rows of a fixed statement.
    pub(super) async fn declare<T>(
        &mut self,
        select: &str,
        read: fn(&PgRow) -> Result<T, sqlx::Error>,
    ) -> Result<Cursor<T>, sqlx::Error> {
        self.cursors += 1;
        let name = format!("rows{}", self.cursors);
        let declare = format!("declare {name} no scroll cursor for {select}");
        self.connection.execute(AssertSqlSafe(declare)).await?;
        Ok(Cursor { name, read })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portion_of_a_small_or_empty_table_is_all_of_it() {
        let of_table = |rows, of| Portion::About { rows, of }.of_table("orders");
        assert_eq!(Portion::All.of_table("orders"), "orders");
        assert_eq!(of_table(10, 1000), "orders tablesample system (1.000000)");
        assert_eq!(of_table(10, 5), "orders tablesample system (100.000000)");
        assert_eq!(of_table(10, 0), "orders tablesample system (100.000000)");
    }
}
