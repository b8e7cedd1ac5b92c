//! Pages of stored orders, in the order of (time, order id, customer).

use anyhow::Result;
use forebay_model::Timestamp;
use forebay_shard::{PoolSettings, ShardPool, Timestamptz};
use sqlx::AssertSqlSafe;

use crate::stored_order::{COLUMNS, OrderKey, StoredOrder};

/// Before every order.
pub(super) fn start() -> OrderKey {
    OrderKey { ordered_at: Timestamp::EARLIEST, order_id: String::new(), customer_id: String::new() }
}

/// Along the index by time, whatever the planner thinks of a table that it has no figures of.
pub(super) fn pool_settings() -> PoolSettings {
    PoolSettings {
        application_name: "forebay-backfill".to_owned(),
        connections_max: 2,
        parameters: vec![("enable_seqscan", "off"), ("enable_bitmapscan", "off"), ("jit", "off")],
        ..PoolSettings::default()
    }
}

/// The orders behind one.
pub(super) async fn page(pool: &ShardPool, behind: &OrderKey, limit: i64) -> Result<Vec<StoredOrder>> {
    let sql = format!(
        "select {COLUMNS} from orders where ordered_at >= $1 and (ordered_at, order_id, customer_id) > ($1, $2, $3) \
         order by ordered_at, order_id, customer_id limit $4"
    );
    let mut connection = pool.acquire().await?;
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(Timestamptz(behind.ordered_at))
        .bind(&behind.order_id)
        .bind(&behind.customer_id)
        .bind(limit)
        .fetch_all(&mut *connection)
        .await?;
    rows.iter().map(StoredOrder::from_row).collect()
}
