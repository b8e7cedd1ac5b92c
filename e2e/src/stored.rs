//! What the shards hold, read by SQL.

use anyhow::{Context, Result};
use forebay_stack::Stack;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Instants as microseconds since 1970.
const ORDERS: &str = "select jsonb_build_object('customer_id', customer_id, 'order_id', order_id, \
    'at', (extract(epoch from ordered_at) * 1000000)::int8, 'total', total, 'items', items, \
    'attributes', attributes)::text from orders";
const INDEX: &str = "select jsonb_build_object('customer_id', customer_id, 'order_id', order_id, \
    'at', (extract(epoch from ordered_at) * 1000000)::int8)::text from order_index";
const VIEWS: &str = "select jsonb_build_object('customer_id', customer_id, 'order_id', order_id, \
    'at', (extract(epoch from ordered_at) * 1000000)::int8, 'view', view, 'key', key, 'subtotal', subtotal, \
    'items', items)::text from order_views";
const DEAD: &str = "select jsonb_build_object('lane', lane, 'reason', reason, \
    'mark', content -> 'attributes' ->> 'mark', 'detail', detail)::text from dead_letter";
const TALLIES: &str = "select jsonb_build_object('lane', lane, 'stored', rows_stored, 'duplicate', rows_duplicate, \
    'dead', rows_dead)::text from lane_position";

/// A row of `orders`.
#[derive(Clone, Debug, Deserialize)]
pub struct StoredOrder {
    /// Whose it is.
    pub customer_id: String,
    /// Its id.
    pub order_id: String,
    /// When it was placed.
    pub at: i64,
    /// What it comes to.
    pub total: i64,
    /// Its items.
    pub items: Value,
    /// Everything else.
    pub attributes: Map<String, Value>,
}

/// A row of `order_index`.
#[derive(Clone, Debug, Deserialize)]
pub struct StoredIndex {
    /// Whose the order is.
    pub customer_id: String,
    /// Its id.
    pub order_id: String,
    /// When it was placed.
    pub at: i64,
}

/// A row of `order_views`.
#[derive(Clone, Debug, Deserialize)]
pub struct StoredView {
    /// Whose the order is.
    pub customer_id: String,
    /// Its id.
    pub order_id: String,
    /// When it was placed.
    pub at: i64,
    /// Which view.
    pub view: String,
    /// Who sees it.
    pub key: String,
    /// What its items come to.
    pub subtotal: i64,
    /// The items that are seen.
    pub items: Value,
}

/// A row of `dead_letter`.
#[derive(Clone, Debug, Deserialize)]
pub struct Dead {
    /// What kind of fact it was.
    pub lane: String,
    /// Why it was not stored.
    pub reason: String,
    /// The order's mark, where it can be read.
    pub mark: Option<String>,
    /// What exactly was wrong.
    pub detail: String,
}

/// What became of a lane's rows, as its position says.
#[derive(Clone, Debug, Deserialize)]
pub struct LaneTally {
    /// Which lane.
    pub lane: String,
    /// Rows that were new.
    pub stored: u64,
    /// Rows that were there.
    pub duplicate: u64,
    /// Rows that went to the dead letters.
    pub dead: u64,
}

/// Everything that one shard holds.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Table `orders`.
    pub orders: Vec<StoredOrder>,
    /// Table `order_index`.
    pub index: Vec<StoredIndex>,
    /// Table `order_views`.
    pub views: Vec<StoredView>,
    /// Table `dead_letter`.
    pub dead: Vec<Dead>,
    /// Table `lane_position`.
    pub tallies: Vec<LaneTally>,
}

impl Stored {
    /// Reads a shard.
    ///
    /// # Errors
    /// What `psql` says.
    pub async fn read(stack: &Stack, shard: usize) -> Result<Self> {
        Ok(Self {
            orders: rows(stack, shard, ORDERS).await?,
            index: rows(stack, shard, INDEX).await?,
            views: rows(stack, shard, VIEWS).await?,
            dead: rows(stack, shard, DEAD).await?,
            tallies: rows(stack, shard, TALLIES).await?,
        })
    }
}

async fn rows<T: DeserializeOwned>(stack: &Stack, shard: usize, statement: &str) -> Result<Vec<T>> {
    let text = stack.sql(shard, statement).await?;
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(line).with_context(|| format!("cannot read {line}"))).collect()
}
