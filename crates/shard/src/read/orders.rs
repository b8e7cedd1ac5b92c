//! Whole orders with what facts follow from: pages of all of them, and those with known identities.

use std::collections::HashSet;

use forebay_model::{Bucket, Identity, Lane, Position, ShardId, StoredOrder as Derivable, StreamKind, Timestamp};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Row};

use super::key::{Key, KeyRef};
use crate::address::ShardAddresses;
use crate::pool::{PoolSettings, ShardPool};
use crate::position::StreamPosition;
use crate::store::StoreError;
use crate::store::step::{Step, step};
use crate::timestamptz::Timestamptz;

/// What [`StoredOrder::from_row`] reads, in this order, of the table `orders`.
pub const COLUMNS: &str = "orders.ordered_at, orders.order_id, orders.customer_id, orders.bucket, orders.items::text, orders.attributes::text";

/// An order as a shard has it: what facts follow from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOrder {
    /// Which order, and where it stands among all.
    pub key: Key,
    /// The bucket of its customer; `None` where there is no such bucket.
    pub bucket: Option<Bucket>,
    /// The text of a JSON array.
    pub items: String,
    /// The text of a JSON object: every field of the order that has no column.
    pub attributes: String,
}

impl StoredOrder {
    /// Reads the first columns of a row: [`COLUMNS`].
    ///
    /// # Errors
    /// Where the row has others.
    pub fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            key: Key::from_row(row, 0)?,
            bucket: Bucket::new(row.try_get::<i16, _>(3)?.cast_unsigned()),
            items: row.try_get(4)?,
            attributes: row.try_get(5)?,
        })
    }

    /// As facts are derived from it.
    pub fn as_stored(&self) -> Derivable<'_> {
        let identity = Identity {
            bucket: self.bucket,
            customer_id: self.key.customer_id.as_bytes(),
            ordered_at: self.key.ordered_at,
            order_id: self.key.order_id.as_bytes(),
        };
        Derivable { identity, items: self.items.as_bytes(), attributes: self.attributes.as_bytes() }
    }
}

/// Reads the orders of one shard for those who derive from them.
#[derive(Clone, Debug)]
pub struct OrderReader(ShardPool);

impl OrderReader {
    /// A reader of a shard, named so in `pg_stat_activity`. It connects when it is asked.
    pub fn new(shard: ShardId, addresses: &ShardAddresses, application_name: String) -> Self {
        let settings = PoolSettings {
            application_name,
            connections_max: 1,
            parameters: vec![("enable_seqscan", "off"), ("enable_bitmapscan", "off"), ("jit", "off")],
            ..PoolSettings::default()
        };
        Self(ShardPool::new(shard, addresses, &settings))
    }

    /// Which of these are stored, in a snapshot in which everything that was logged up to a position is decided. `None` where the
    /// shard is not as far as that.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn decided(
        &self,
        upto: Position,
        wanted: &[(Bucket, Key)],
    ) -> Result<Option<Vec<StoredOrder>>, StoreError> {
        let mut lease = self.0.acquire().await?;
        let found = async {
            let mut snapshot = lease.begin_with("begin isolation level repeatable read read only").await?;
            let stored = StreamPosition::of(&mut snapshot, StreamKind::Logged).await?;
            if !stored.is_some_and(|stored| stored.position.covers(upto)) {
                return Ok(None);
            }
            let found = find(&mut snapshot, wanted).await?;
            snapshot.commit().await?;
            Ok(Some(found))
        };
        Ok(step(Step::Rows, found).await?)
    }

    /// At most so many orders behind a place, as [`page`].
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn page(&self, behind: KeyRef<'_>, limit: i64) -> Result<Vec<StoredOrder>, StoreError> {
        let mut lease = self.0.acquire().await?;
        Ok(step(Step::Rows, page(&mut lease, behind, limit)).await?)
    }
}

impl Key {
    /// Before every order.
    pub fn before_all() -> Self {
        Self::before_all_at(Timestamp::EARLIEST)
    }

    /// Reads it from a row that has time, order id and customer from that column on.
    ///
    /// # Errors
    /// Where the row has others there.
    pub fn from_row(row: &PgRow, from: usize) -> Result<Self, sqlx::Error> {
        Ok(Self {
            ordered_at: row.try_get::<Timestamptz, _>(from)?.0,
            order_id: row.try_get(from + 1)?,
            customer_id: row.try_get(from + 2)?,
        })
    }
}

/// At most so many orders behind a place, in the order of their [`Key`]. It goes along the index by time where the session keeps
/// the planner from reading whole tables (`enable_seqscan`, `enable_bitmapscan`): of a new partition it has no figures.
///
/// # Errors
/// Where the shard does not answer.
pub async fn page(
    connection: &mut PgConnection,
    behind: KeyRef<'_>,
    limit: i64,
) -> Result<Vec<StoredOrder>, sqlx::Error> {
    let sql = format!(
        "select {COLUMNS} from {} where ordered_at >= $1 and (ordered_at, order_id, customer_id) > ($1, $2, $3) \
         order by ordered_at, order_id, customer_id limit $4",
        Lane::Orders.table()
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(Timestamptz(behind.ordered_at))
        .bind(behind.order_id)
        .bind(behind.customer_id)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.iter().map(StoredOrder::from_row).collect()
}

/// The orders with these identities, in these buckets.
///
/// # Errors
/// Where the shard does not answer.
pub async fn find(connection: &mut PgConnection, wanted: &[(Bucket, Key)]) -> Result<Vec<StoredOrder>, sqlx::Error> {
    rows(connection, COLUMNS, wanted).await?.iter().map(StoredOrder::from_row).collect()
}

/// Those of these identities, in these buckets, that orders have.
///
/// # Errors
/// Where the shard does not answer.
pub async fn existing(connection: &mut PgConnection, wanted: &[(Bucket, Key)]) -> Result<HashSet<Key>, sqlx::Error> {
    let columns = "orders.ordered_at, orders.order_id, orders.customer_id";
    rows(connection, columns, wanted).await?.iter().map(|row| Key::from_row(row, 0)).collect()
}

async fn rows(
    connection: &mut PgConnection,
    columns: &str,
    wanted: &[(Bucket, Key)],
) -> Result<Vec<PgRow>, sqlx::Error> {
    // One look at the primary key for each, whatever the planner thinks of tables that it has no figures of; the bounds leave
    // out every partition that there is nothing for.
    let sql = format!(
        "select found.* from unnest($1::int2[], $2::text[], $3::timestamptz[], $4::text[]) \
            as wanted(bucket, customer_id, ordered_at, order_id) \
         cross join lateral (select {columns} from orders where orders.bucket = wanted.bucket \
            and orders.customer_id = wanted.customer_id and orders.ordered_at = wanted.ordered_at \
            and orders.order_id = wanted.order_id and orders.ordered_at between $5 and $6 limit 1) as found"
    );
    let times = || wanted.iter().map(|(_, key)| key.ordered_at);
    let (Some(earliest), Some(latest)) = (times().min(), times().max()) else { return Ok(Vec::new()) };
    sqlx::query(AssertSqlSafe(sql))
        .bind(wanted.iter().map(|(bucket, _)| bucket.number().cast_signed()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|(_, key)| key.customer_id.as_str()).collect::<Vec<_>>())
        .bind(times().map(Timestamptz).collect::<Vec<_>>())
        .bind(wanted.iter().map(|(_, key)| key.order_id.as_str()).collect::<Vec<_>>())
        .bind(Timestamptz(earliest))
        .bind(Timestamptz(latest))
        .fetch_all(connection)
        .await
}
