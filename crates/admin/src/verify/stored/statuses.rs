//! What stored rows keep of what happened to their orders, their status and what they come to, against what follows from what is stored. Both are of one snapshot, so they must be equal.

use anyhow::Result;
use forebay_model::{AmendedItems, Lane};
use forebay_shard::check::Snapshot;
use forebay_shard::read::status::{RowKey, standings};

use crate::verify::report::DifferenceKind;
use crate::verify::verification::Verification;

/// Rows that are in hand at a time, with what happened to their orders.
const ROWS: u32 = 1000;

impl Verification<'_> {
    /// Checks what each row keeps of a lane's table, of which there are `rows`. What nothing has happened to is placed, and not amended.
    pub(crate) async fn statuses(&mut self, snapshot: &mut Snapshot, lane: Lane, rows: u64) -> Result<()> {
        let cursor = snapshot.happened(lane, self.scope.depth.portion(rows)).await?;
        loop {
            let keys = snapshot.page(&cursor, ROWS).await?;
            if keys.is_empty() {
                return Ok(());
            }
            let wanted: Vec<&RowKey> = keys.iter().collect();
            for standing in standings(snapshot.connection(), lane, &wanted).await? {
                let (row, stored, follows) = (&keys[standing.place], standing.stored, standing.follows);
                let said = [
                    (stored.status_text(), follows.status_text()),
                    (amended(stored.amended), amended(follows.amended)),
                ];
                for (stored, follows) in said.into_iter().filter(|(stored, follows)| stored != follows) {
                    let detail = format!("{row} is noted as {stored}, and by what happened to it is {follows}");
                    self.report.differs(snapshot.shard(), lane, DifferenceKind::Status, detail);
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
