//! What the shards hold, read by SQL.

use anyhow::{Context, Result};
use forebay_model::Lane;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::system::System;

/// Instants as microseconds since 1970.
const ORDERS: &str = "select jsonb_build_object('customer_id', customer_id, 'order_id', order_id, \
    'at', (extract(epoch from ordered_at) * 1000000)::int8, 'kind', kind, 'currency', currency, 'total', total, 'items', items, \
    'attributes', attributes)::text from orders";
const INDEX: &str = "select jsonb_build_object('customer_id', customer_id, 'order_id', order_id, \
    'at', (extract(epoch from ordered_at) * 1000000)::int8)::text from order_index";
const VIEWS: &str = "select jsonb_build_object('customer_id', customer_id, 'order_id', order_id, \
    'at', (extract(epoch from ordered_at) * 1000000)::int8, 'view', (select name from view_in_force where id = view), 'key', key, 'kind', kind, 'currency', currency, 'subtotal', subtotal, \
    'items', items)::text from order_views";
const DEAD: &str = r#"select jsonb_build_object('lane', lane, 'reason', reason, 
    'mark', substring(content ->> 'attributes' from '"mark": ?"([^"]*)"'), 'detail', detail, 'seq', stream_seq, 'sqlstate', sqlstate, 
    'customer_id', customer_id, 'order_id', order_id)::text from dead_letter"#;
const TIMES: &str = "select jsonb_build_object('customer_id', customer_id, 'order_id', order_id, \
    'at', (extract(epoch from ordered_at) * 1000000)::int8)::text from order_time";
const EVENTS: &str = "select jsonb_build_object('customer_id', customer_id, 'order_id', order_id, 'event_id', event_id, \
    'kind', kind)::text from order_events";
const VIEW_EVENTS: &str = "select jsonb_build_object('customer_id', customer_id, 'order_id', order_id, 'event_id', event_id, \
    'kind', kind, 'view', (select name from view_in_force where id = view), 'key', key)::text from view_events";
const TALLIES: &str = "select jsonb_build_object('lane', lane, 'stored', rows_stored, 'duplicate', rows_duplicate, \
    'dead', rows_dead, 'copied', rows_copied, 'cleaned', rows_cleaned)::text from lane_tally";

/// A row of `orders`.
#[derive(Clone, Debug, Deserialize)]
pub struct StoredOrder {
    /// Whose it is.
    pub customer_id: String,
    /// Its id.
    pub order_id: String,
    /// When it was placed.
    pub at: i64,
    /// `sale` or `return`.
    pub kind: String,
    /// What its prices are in.
    pub currency: String,
    /// What it comes to.
    pub total: i64,
    /// Its items.
    pub items: Value,
    /// Everything else.
    pub attributes: Map<String, Value>,
}

/// A row of `order_index`, or of `order_time`, which has the same columns.
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
    /// `sale` or `return`.
    pub kind: String,
    /// What their prices are in.
    pub currency: String,
    /// What its items come to.
    pub subtotal: i64,
    /// The items that are seen.
    pub items: Value,
}

/// A row of `dead_letter`.
#[derive(Clone, Debug, Deserialize)]
pub struct Dead {
    /// What kind of fact it was.
    pub lane: Lane,
    /// Why it was not stored.
    pub reason: String,
    /// The order's mark, where it can be read.
    pub mark: Option<String>,
    /// What exactly was wrong.
    pub detail: String,
    /// The frame that it stood in.
    pub seq: u64,
    /// What Postgres said, where it was Postgres that refused.
    pub sqlstate: Option<String>,
    /// Whose order it was, where that can be read.
    pub customer_id: Option<String>,
    /// The order's id, where that can be read.
    pub order_id: Option<String>,
}

/// A row of `order_events`, or of `view_events`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct StoredEvent {
    /// Its order's customer; empty in `order_events` where the order's id leads there.
    pub customer_id: String,
    /// Its order.
    pub order_id: String,
    /// Which event of it.
    pub event_id: String,
    /// What happened.
    pub kind: String,
    /// In `view_events`, the view.
    pub view: Option<String>,
    /// In `view_events`, its key.
    pub key: Option<String>,
}

/// What became of a lane's rows, as they were counted.
#[derive(Clone, Debug, Deserialize)]
pub struct LaneTally {
    /// Which lane.
    pub lane: Lane,
    /// Rows that were new.
    pub stored: u64,
    /// Rows that were there.
    pub duplicate: u64,
    /// Rows that went to the dead letters.
    pub dead: u64,
    /// Rows that came from other shards with their units.
    pub copied: u64,
    /// Rows that were deleted because they were nobody's here any more.
    pub cleaned: u64,
}

impl LaneTally {
    /// The rows that must be there.
    pub fn here(&self) -> i64 {
        (self.stored + self.copied) as i64 - self.cleaned as i64
    }
}

/// Everything that one shard holds.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Table `orders`.
    pub orders: Vec<StoredOrder>,
    /// Table `order_index`.
    pub index: Vec<StoredIndex>,
    /// Table `order_time`.
    pub times: Vec<StoredIndex>,
    /// Table `order_views`.
    pub views: Vec<StoredView>,
    /// Table `order_events`.
    pub events: Vec<StoredEvent>,
    /// Table `view_events`.
    pub view_events: Vec<StoredEvent>,
    /// Table `dead_letter`.
    pub dead: Vec<Dead>,
    /// Table `lane_tally`.
    pub tallies: Vec<LaneTally>,
}

impl Stored {
    /// Reads a shard.
    ///
    /// # Errors
    /// What `psql` says.
    pub async fn read(system: &System, shard: usize) -> Result<Self> {
        Ok(Self {
            orders: rows(system, shard, ORDERS).await?,
            index: rows(system, shard, INDEX).await?,
            times: rows(system, shard, TIMES).await?,
            views: rows(system, shard, VIEWS).await?,
            events: rows(system, shard, EVENTS).await?,
            view_events: rows(system, shard, VIEW_EVENTS).await?,
            dead: rows(system, shard, DEAD).await?,
            tallies: rows(system, shard, TALLIES).await?,
        })
    }
}

async fn rows<T: DeserializeOwned>(system: &System, shard: usize, statement: &str) -> Result<Vec<T>> {
    let text = system.sql(shard, statement).await?;
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(line).with_context(|| format!("cannot read {line}"))).collect()
}
