//! What a shard's database says of itself.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::scope::Unbound;
use super::statement::SumRow;
use crate::derived::Derived;
use crate::position::StreamPosition;

/// How far the streams are, and how much there is.
#[derive(Debug)]
pub struct ShardFigures {
    /// Of each stream that has one.
    pub positions: Vec<StreamPosition>,
    /// How far facts are derived for each shard that they go to.
    pub derived: Vec<Derived>,
    /// What its orders come to, by kind and currency.
    pub sums: Vec<SumRow>,
    /// Partitions of the table of orders.
    pub partitions: u64,
    /// Bytes of the database on disk.
    pub bytes: u64,
}

impl ShardFigures {
    /// Reads them, for who may see everything.
    pub async fn read(connection: &mut PgConnection, _: Unbound) -> Result<Self, sqlx::Error> {
        const SQL: &str = "select (select count(*) from pg_inherits where inhparent = 'orders'::regclass) as partitions, \
            pg_database_size(current_database()) as bytes";
        let positions = StreamPosition::all(connection).await?;
        let derived = Derived::all(connection).await?;
        let sums = SumRow::all(connection).await?;
        let row = sqlx::query(SQL).fetch_one(connection).await?;
        let unsigned = |column| row.try_get::<i64, _>(column).map(i64::cast_unsigned);
        Ok(Self { positions, derived, sums, partitions: unsigned("partitions")?, bytes: unsigned("bytes")? })
    }
}
