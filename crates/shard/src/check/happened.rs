//! Rows that something has happened to, or that say so.

use forebay_model::Lane;

use super::snapshot::{Cursor, Portion, Snapshot};
use crate::read::status::{RowKey, key_columns};

/// Orders, and views, that something has happened to.
const ORDERS: &str = "exists (select from order_events e where e.bucket = orders.bucket and e.tenant = orders.tenant \
    and e.order_id = orders.order_id and e.customer_id in ('', orders.customer_id))";
const VIEWS: &str = "exists (select from view_events e where e.bucket = order_views.bucket and e.tenant = order_views.tenant \
    and e.view = order_views.view and e.key = order_views.key and e.ordered_at = order_views.ordered_at \
    and e.order_id = order_views.order_id and e.customer_id = order_views.customer_id)";

impl Snapshot {
    /// Opens a cursor over the rows of lane `orders` or `views` that have another status than placed, are amended, or have events.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn happened(&mut self, lane: Lane, portion: Portion) -> Result<Cursor<RowKey>, sqlx::Error> {
        let has_happened = if lane == Lane::Views { VIEWS } else { ORDERS };
        let (columns, from) = (key_columns(lane), portion.of_table(lane.table()));
        let select = format!("select {columns} from {from} where status <> 0 or amended is not null or {has_happened}");
        self.declare(&select, RowKey::from_row).await
    }
}
