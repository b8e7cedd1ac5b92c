//! Whole orders with what facts follow from: pages of all of them, and those with known identities.

use std::collections::HashSet;

use forebay_model::{Bucket, Identity, Lane, Position, ShardId, StoredOrder as Derivable, StreamKind};
use sqlx::postgres::{PgConnection, PgRow, Postgres};
use sqlx::{AssertSqlSafe, Connection, Row, Transaction};

use super::eventful::{self, OrderRef};
use super::order_key::OrderKey;
use super::statement::sql::events_of_orders;
use crate::connection::address::ShardAddresses;
use crate::pool::{Lease, PoolSettings, ShardPool};
use crate::position::StreamPosition;
use crate::step::{Step, StoreError, step};
use crate::timestamptz::Timestamptz;

/// What [`StoredOrder::from_row`] reads, in this order, of the table `orders`.
pub const COLUMNS: &str = concat!(
    "orders.ordered_at, orders.order_id, orders.customer_id, orders.tenant, orders.bucket, \
     orders.kind, orders.currency, orders.items::text, orders.attributes::text, (",
    events_of_orders!(),
    ")::text as events"
);

/// An order as a shard has it: what facts follow from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOrder {
    /// Which order, and where it stands among all.
    pub key: OrderKey,
    /// The bucket of its customer, as its row has it.
    pub bucket: u16,
    /// Whether it is a sale or a return, by its word.
    pub kind: String,
    /// What its prices and sums are in.
    pub currency: String,
    /// The text of a JSON array.
    pub items: String,
    /// The text of a JSON object: every field of the order that has no column.
    pub attributes: String,
    /// What happened to it, as [`StoredEvents`](forebay_model::StoredEvents) reads it; `None` where nothing did.
    pub events: Option<String>,
}

impl StoredOrder {
    /// Reads the first columns of a row: [`COLUMNS`].
    ///
    /// # Errors
    /// Where the row has others.
    pub fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            key: OrderKey::from_row(row, 0)?,
            bucket: row.try_get::<i16, _>(4)?.cast_unsigned(),
            kind: row.try_get(5)?,
            currency: row.try_get(6)?,
            items: row.try_get(7)?,
            attributes: row.try_get(8)?,
            events: row.try_get(9)?,
        })
    }

    /// As facts are derived from it.
    pub fn as_stored(&self) -> Derivable<'_> {
        let identity = Identity {
            bucket: self.bucket,
            tenant: self.key.tenant.as_str().as_bytes(),
            customer_id: self.key.customer_id.as_bytes(),
            ordered_at: self.key.ordered_at,
            order_id: self.key.order_id.as_bytes(),
        };
        let [kind, currency] = [&self.kind, &self.currency].map(String::as_bytes);
        let [items, attributes] = [&self.items, &self.attributes].map(String::as_bytes);
        let events = self.events.as_deref().map(str::as_bytes);
        Derivable { identity, kind, currency, items, attributes, events }
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
            // A plan for every time would be one that locks every partition.
            parameters: vec![
                ("enable_seqscan", "off"),
                ("enable_bitmapscan", "off"),
                ("jit", "off"),
                ("plan_cache_mode", "force_custom_plan"),
            ],
            ..PoolSettings::default()
        };
        Self(ShardPool::new(shard, addresses, &settings))
    }

    /// Which of these are stored, and which orders that events are about, in a snapshot in which everything that was logged up to a
    /// position is decided. `None` where the shard is not as far as that.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn decided(
        &self,
        upto: Position,
        wanted: &[(Bucket, OrderKey)],
        eventful: &[OrderRef],
    ) -> Result<Option<Vec<StoredOrder>>, StoreError> {
        let mut lease = self.lease().await?;
        let found = async {
            let Some(mut snapshot) = decided(&mut lease, upto).await? else { return Ok(None) };
            let mut wanted = wanted.to_vec();
            wanted.extend(eventful::orders(&mut snapshot, eventful).await?.into_iter().map(|(_, order)| order));
            wanted.sort_unstable();
            wanted.dedup();
            let found = find(&mut snapshot, &wanted).await?;
            snapshot.commit().await?;
            Ok(Some(found))
        };
        let found = step(Step::Rows, found).await?;
        lease.done();
        Ok(found)
    }

    /// At most `limit` orders behind a place, as [`page`].
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn page(&self, behind: &OrderKey, limit: i64) -> Result<Vec<StoredOrder>, StoreError> {
        let mut lease = self.lease().await?;
        let page = step(Step::Rows, page(&mut lease, behind, limit)).await?;
        lease.done();
        Ok(page)
    }

    pub(super) async fn lease(&self) -> Result<Lease, StoreError> {
        Ok(self.0.acquire().await?)
    }
}

/// A snapshot in which everything up to a position is decided; `None` where the shard is not as far as that.
pub(super) async fn decided(
    lease: &mut Lease,
    upto: Position,
) -> Result<Option<Transaction<'_, Postgres>>, sqlx::Error> {
    let mut snapshot = lease.begin_with("begin isolation level repeatable read read only").await?;
    let stored = StreamPosition::of(&mut snapshot, StreamKind::Logged).await?;
    Ok(stored.is_some_and(|stored| stored.position.covers(upto)).then_some(snapshot))
}

/// At most `limit` orders behind a place, in the order of their [`OrderKey`]. It goes along the index by time where the session keeps
/// the planner from reading whole tables (`enable_seqscan`, `enable_bitmapscan`): of a new partition it has no figures.
///
/// # Errors
/// Where the shard does not answer.
pub async fn page(
    connection: &mut PgConnection,
    behind: &OrderKey,
    limit: i64,
) -> Result<Vec<StoredOrder>, sqlx::Error> {
    let sql = format!(
        "select {COLUMNS} from {} where ordered_at >= $1 \
            and (ordered_at, order_id, customer_id, tenant) > ($1, $2, $3, $4) \
         order by ordered_at, order_id, customer_id, tenant limit $5",
        Lane::Orders.table()
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(Timestamptz(behind.ordered_at))
        .bind(behind.order_id.as_str())
        .bind(behind.customer_id.as_str())
        .bind(behind.tenant.as_str())
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.iter().map(StoredOrder::from_row).collect()
}

/// The orders with these identities, in these buckets.
///
/// # Errors
/// Where the shard does not answer.
pub async fn find(
    connection: &mut PgConnection,
    wanted: &[(Bucket, OrderKey)],
) -> Result<Vec<StoredOrder>, sqlx::Error> {
    rows(connection, COLUMNS, wanted).await?.iter().map(StoredOrder::from_row).collect()
}

/// Those of these identities, in these buckets, that orders have.
///
/// # Errors
/// Where the shard does not answer.
pub async fn existing(
    connection: &mut PgConnection,
    wanted: &[(Bucket, OrderKey)],
) -> Result<HashSet<OrderKey>, sqlx::Error> {
    let columns = "orders.ordered_at, orders.order_id, orders.customer_id, orders.tenant";
    rows(connection, columns, wanted).await?.iter().map(|row| OrderKey::from_row(row, 0)).collect()
}

async fn rows(
    connection: &mut PgConnection,
    columns: &str,
    wanted: &[(Bucket, OrderKey)],
) -> Result<Vec<PgRow>, sqlx::Error> {
    // One look at the primary key for each, whatever the planner thinks of tables that it has no figures of; the bounds leave
    // out every partition that there is nothing for.
    let sql = format!(
        "select found.* from unnest($1::int2[], $2::text[], $3::text[], $4::timestamptz[], $5::text[]) \
            as wanted(bucket, tenant, customer_id, ordered_at, order_id) \
         cross join lateral (select {columns} from orders where orders.bucket = wanted.bucket \
            and orders.tenant = wanted.tenant and orders.customer_id = wanted.customer_id \
            and orders.ordered_at = wanted.ordered_at and orders.order_id = wanted.order_id \
            and orders.ordered_at between $6 and $7 limit 1) as found"
    );
    let times = || wanted.iter().map(|(_, key)| key.ordered_at);
    let (Some(earliest), Some(latest)) = (times().min(), times().max()) else { return Ok(Vec::new()) };
    sqlx::query(AssertSqlSafe(sql))
        .bind(wanted.iter().map(|(bucket, _)| bucket.number().cast_signed()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|(_, key)| key.tenant.as_str()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|(_, key)| key.customer_id.as_str()).collect::<Vec<_>>())
        .bind(times().map(Timestamptz).collect::<Vec<_>>())
        .bind(wanted.iter().map(|(_, key)| key.order_id.as_str()).collect::<Vec<_>>())
        .bind(Timestamptz(earliest))
        .bind(Timestamptz(latest))
        .fetch_all(connection)
        .await
}
