//! Rows that a lane has counted, against the rows that are there. Both are of one snapshot, so they must be equal.

use std::fmt::Write as _;

use anyhow::Result;
use forebay_model::{Lane, StreamKind};
use forebay_shard::check::Snapshot;
use forebay_shard::dropped_view::rows_dropped;
use forebay_shard::owner::rows_moved;
use forebay_shard::{AcceptedLoss, StreamPosition, Tally};

use crate::verify::log::frames::{Base, Counted};
use crate::verify::report::{DifferenceKind, LaneFigures};
use crate::verify::verification::Verification;

impl Verification<'_> {
    /// Checks the counters of a stream's lanes. Gives them, for its log to be compared with.
    pub(crate) async fn counted(&mut self, snapshot: &mut Snapshot, stream: StreamKind) -> Result<Counted> {
        let position = snapshot.position(stream).cloned();
        let mut counted =
            Counted { stream: stream.on(snapshot.shard()), position, base: Base::default(), figures: Vec::new() };
        for lane in stream.lanes() {
            counted.figures.push(self.counters(snapshot, lane, counted.position.as_ref()).await?);
            let Some(StreamPosition { position, .. }) = &counted.position else { continue };
            if let Some(loss) = AcceptedLoss::last(snapshot.connection(), lane, position.incarnation).await? {
                counted.base.seq = loss.after.seq;
                counted.base.rows[lane] = loss.rows;
            }
        }
        Ok(counted)
    }

    async fn counters(
        &mut self,
        snapshot: &mut Snapshot,
        lane: Lane,
        position: Option<&StreamPosition>,
    ) -> Result<LaneFigures> {
        let Tally { stored, duplicate, dead, .. } = position.map(|position| position.rows[lane]).unwrap_or_default();
        let figures = LaneFigures {
            shard: snapshot.shard(),
            lane,
            position: position.map(|position| position.position.to_string()),
            stored,
            duplicate,
            dead,
            rows_in_table: snapshot.rows(lane).await?,
            rows_in_letters: snapshot.dead_rows(lane).await?,
            rows_in_log: 0,
            log_is_whole: false,
            frames_compared: 0,
        };
        self.sums(snapshot, lane).await?;
        let dropped = rows_dropped(snapshot.connection(), lane).await?;
        let (copied, cleaned) = rows_moved(snapshot.connection(), lane).await?;
        if figures.rows_in_table + dropped + cleaned != stored + copied {
            let (there, table) = (figures.rows_in_table, lane.table());
            let mut gone = if dropped > 0 { format!(", {dropped} of dropped views are gone") } else { String::new() };
            if copied + cleaned > 0 {
                let _ = write!(gone, ", {copied} came with buckets, {cleaned} went with some");
            }
            let detail = format!("{stored} rows were stored{gone}, and the table {table} has {there}");
            self.report.differs(snapshot.shard(), lane, DifferenceKind::Counter, detail);
        }
        // Letters that were purged are not there any more, so there may be fewer.
        if figures.rows_in_letters > dead {
            let detail = format!("{dead} rows died, and the dead letters stand for {}", figures.rows_in_letters);
            self.report.differs(snapshot.shard(), lane, DifferenceKind::Counter, detail);
        }
        Ok(figures)
    }
}
