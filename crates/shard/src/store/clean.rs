//! What is nobody's any more is deleted, piece by piece: each in a transaction that holds the position, so that what the shard says of the unit is what it
//! was seen to say. While a partition is being merged nothing is deleted: what a merge copies must not change.

use forebay_model::{Bucket, Position, StreamKind};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};

use super::StreamStore;
use super::error::CommitError;
use crate::owner::leftover;
use crate::owner::units::Units;
use crate::partition::MERGE_LOCK;
use crate::step::{Step, step};

/// Rows of a table that are deleted together.
const ROWS: i64 = 2000;

/// What became of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// The position is not there: another writer was here.
    Fenced,
    /// Something is being merged.
    Merging,
    /// Some rows are deleted; maybe the last.
    Deleted { is_all: bool },
}

impl StreamStore {
    /// Deletes some of the rows of a unit that is nobody's here, where there is one. Returns whether there may be more to delete now.
    ///
    /// # Errors
    /// [`CommitError::Fenced`] where the position is not at `at`; then nothing was done.
    pub async fn clean(&mut self, at: Position) -> Result<bool, CommitError> {
        let Some(bucket) = self.units.as_ref().and_then(Units::to_be_cleaned) else { return Ok(false) };
        match step(Step::Commit, delete_piece(&mut self.control, self.stream, bucket, at)).await? {
            Piece::Fenced => Err(CommitError::Fenced),
            Piece::Merging => Ok(false),
            Piece::Deleted { is_all: true } => {
                if let Some(units) = &mut self.units {
                    units.note_clean(bucket);
                }
                Ok(true)
            }
            Piece::Deleted { is_all: false } => Ok(true),
        }
    }
}

async fn delete_piece(
    connection: &mut PgConnection,
    stream: StreamKind,
    bucket: Bucket,
    at: Position,
) -> Result<Piece, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let lock = sqlx::query_scalar("select pg_try_advisory_xact_lock($1)").bind(MERGE_LOCK);
    if !lock.fetch_one(&mut *transaction).await? {
        transaction.rollback().await?;
        return Ok(Piece::Merging);
    }
    if !super::position_holds(&mut transaction, stream, at).await? {
        transaction.rollback().await?;
        return Ok(Piece::Fenced);
    }
    let mut is_all = true;
    for (table, key, lane) in leftover::tables(stream) {
        let gone = delete_some(&mut transaction, table, &key, bucket).await?;
        leftover::count(&mut transaction, lane, gone).await?;
        is_all &= gone < ROWS.unsigned_abs();
    }
    transaction.commit().await?;
    Ok(Piece::Deleted { is_all })
}

/// By the key, so that no partition is read from end to end; and with the bucket as a value, which a plan does not take over from the piece: without it all rows of the
/// shard are put in order.
async fn delete_some(
    connection: &mut PgConnection,
    table: &str,
    key: &[&str],
    bucket: Bucket,
) -> Result<u64, sqlx::Error> {
    let columns = key.join(", ");
    let same = key.iter().map(|column| format!("t.{column} = piece.{column}")).collect::<Vec<_>>().join(" and ");
    let sql = format!(
        "delete from {table} t using (select {columns} from {table} where bucket = $1 order by {columns} limit $2) as piece \
         where t.bucket = $1 and {same}"
    );
    let delete = sqlx::query(AssertSqlSafe(sql)).bind(bucket.number().cast_signed()).bind(ROWS);
    Ok(delete.execute(connection).await?.rows_affected())
}
