//! Rows that a lane has counted, against the rows that are there. Both are of one snapshot, so they must be equal.

use anyhow::Result;
use forebay_model::Lane;
use forebay_shard::Tally;

use super::report::{DifferenceKind, LaneFigures};
use super::snapshot::Snapshot;
use super::verification::Verification;

impl Verification<'_> {
    /// Checks a lane's counters, then its log.
    pub(super) async fn lane(&mut self, snapshot: &mut Snapshot, lane: Lane) -> Result<()> {
        let position = snapshot.position(lane).cloned();
        let Tally { stored, duplicate, dead } = position.as_ref().map(|position| position.rows).unwrap_or_default();
        let mut figures = LaneFigures {
            shard: snapshot.shard,
            lane,
            position: position.as_ref().map(|position| position.position.to_string()),
            stored,
            duplicate,
            dead,
            rows_in_table: snapshot.rows(lane.table()).await?,
            rows_in_letters: snapshot.dead_rows(lane).await?,
            rows_in_log: 0,
            log_is_whole: false,
            frames_compared: 0,
        };
        if figures.rows_in_table != stored {
            let (there, table) = (figures.rows_in_table, lane.table());
            let detail = format!("{stored} rows were stored, and the table {table} has {there}");
            self.report.differs(snapshot.shard, lane, DifferenceKind::Counter, detail);
        }
        // Letters that were purged are not there any more, so there may be fewer.
        if figures.rows_in_letters > dead {
            let detail = format!("{dead} rows died, and the dead letters stand for {}", figures.rows_in_letters);
            self.report.differs(snapshot.shard, lane, DifferenceKind::Counter, detail);
        }
        if let Some(position) = position {
            self.log_of(snapshot, &position, &mut figures).await?;
        }
        self.report.lanes.push(figures);
        Ok(())
    }
}
