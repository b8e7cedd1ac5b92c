//! What views see, of orders or of what happened to them.

use forebay_model::{Lane, ViewId};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::snapshot::{Cursor, Portion, Snapshot};
use crate::read::order_key::OrderKey;

/// A row of a view's table: which key sees which order.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// Which view.
    pub view: ViewId,
    /// Which of its keys.
    pub key: String,
    /// The order that it sees something of.
    pub order: OrderKey,
}

impl Sighting {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let view = ViewId::new(row.try_get::<i16, _>(0)?.cast_unsigned());
        let view = view.map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        Ok(Self { view, key: row.try_get(1)?, order: OrderKey::from_row(row, 2)? })
    }
}

impl Snapshot {
    /// Opens a cursor over the rows of lane `views` or `view_events`.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn sightings(&mut self, lane: Lane, portion: Portion) -> Result<Cursor<Sighting>, sqlx::Error> {
        let from = portion.of_table(lane.table());
        let select = format!("select view, key, ordered_at, order_id, customer_id, tenant from {from}");
        self.declare(&select, Sighting::from_row).await
    }
}
