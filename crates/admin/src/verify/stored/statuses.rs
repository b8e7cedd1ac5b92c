//! What stored rows keep of what happened to their orders, their status and what they come to, against what follows from what is stored. Both are of one snapshot, so they must be equal.

use anyhow::Result;
use forebay_model::{AmendedItems, Lane};
use forebay_shard::read::status::{RowKey, key_columns, standings};

use crate::verify::report::DifferenceKind;
use crate::verify::snapshot::Snapshot;
use crate::verify::verification::Verification;

/// Rows that are in hand at a time, with what happened to their orders.
const ROWS: u32 = 1000;

/// Orders, and views, that something has happened to.
const ORDERS: &str = "exists (select from order_events e where e.bucket = orders.bucket and e.tenant = orders.tenant \
    and e.order_id = orders.order_id and e.customer_id in ('', orders.customer_id))";
const VIEWS: &str = "exists (select from view_events e where e.bucket = order_views.bucket and e.tenant = order_views.tenant \
    and e.view = order_views.view and e.key = order_views.key and e.ordered_at = order_views.ordered_at \
    and e.order_id = order_views.order_id and e.customer_id = order_views.customer_id)";

impl Verification<'_> {
    /// Checks what each row keeps of a lane's table, of which there are `rows`. What nothing has happened to is placed, and not amended.
    pub(crate) async fn statuses(&mut self, snapshot: &mut Snapshot, lane: Lane, rows: u64) -> Result<()> {
        let (table, columns) = (lane.table(), key_columns(lane));
        let has_happened = if lane == Lane::Views { VIEWS } else { ORDERS };
        let sampled = Snapshot::sampled(table, self.scope.depth, rows);
        let select =
            format!("select {columns} from {sampled} where status <> 0 or amended is not null or {has_happened}");
        let cursor = snapshot.declare(&select).await?;
        loop {
            let page = snapshot.page(&cursor, ROWS).await?;
            if page.is_empty() {
                return Ok(());
            }
            let keys: Vec<RowKey> = page.iter().map(RowKey::from_row).collect::<Result<_, _>>()?;
            let wanted: Vec<&RowKey> = keys.iter().collect();
            for standing in standings(&mut snapshot.connection, lane, &wanted).await? {
                let (row, stored, follows) = (&keys[standing.place], standing.stored, standing.follows);
                let said = [
                    (stored.status_text(), follows.status_text()),
                    (amended(stored.amended), amended(follows.amended)),
                ];
                for (stored, follows) in said.into_iter().filter(|(stored, follows)| stored != follows) {
                    let detail = format!("{row} is noted as {stored}, and by what happened to it is {follows}");
                    self.report.differs(snapshot.shard, lane, DifferenceKind::Status, detail);
                }
            }
        }
    }
}

/// What a row says of its items since they were amended.
fn amended(items: Option<AmendedItems>) -> String {
    match items {
        None => "not amended".to_owned(),
        Some(AmendedItems { is_any: false, .. }) => "without items".to_owned(),
        Some(AmendedItems { total, .. }) => format!("amended to {total}"),
    }
}
