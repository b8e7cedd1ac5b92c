//! Frames that a log should have and has not.
//!
//! A log is trimmed from its front, behind the position: that is as it should be. Nothing else takes frames away, so one that is
//! missing between others was deleted or is damaged; and what is missing ahead of the position is lost, for nobody has stored it.

use std::ops::RangeInclusive;

use anyhow::{Result, bail};
use forebay_log::{ReadError, ReadFrom, StreamState};
use forebay_model::{Lane, Position, ShardId};
use forebay_shard::LanePosition;

use super::frames::{BYTES, FRAME_MAX};
use super::report::DifferenceKind;
use super::verification::Verification;

impl Verification<'_> {
    /// Checks that a log has every frame ahead of the position of its lane.
    pub(super) async fn gaps_ahead(&mut self, shard: ShardId, lane: Lane) -> Result<()> {
        // In this order: what the log was trimmed of then, the position had passed before.
        let state = self.log.stream_state(lane.on(shard)).await?;
        let position = LanePosition::of(&mut *self.pool(shard)?.acquire().await?, lane).await?;
        let Some(at) = position.map(|stored| stored.position).filter(|at| at.incarnation == state.incarnation) else {
            return Ok(());
        };
        let mut gaps = Vec::new();
        if state.first_seq > at.seq + 1 {
            gaps.push(at.seq + 1..=state.first_seq - 1);
        }
        if has_holes(&state) {
            let from = Position { seq: at.seq.max(state.first_seq - 1), ..at };
            gaps.append(&mut self.holes(lane, shard, from, state.last_seq).await?);
        }
        for gap in &gaps {
            let what = "they are lost, and the lane stands still before them";
            let detail = format!(
                "{}, ahead of the position {at}: {what}; see `forebay log accept-loss {lane} {shard}`",
                gone(gap)
            );
            self.report.differs(shard, lane, DifferenceKind::Log, detail);
        }
        if !gaps.is_empty() {
            self.stands_still(shard, lane);
        }
        Ok(())
    }

    /// Tells of frames that are missing between others that were stored.
    pub(super) fn gap_behind(&mut self, shard: ShardId, lane: Lane, gap: &RangeInclusive<u64>, at: Position) {
        let what = "they are stored, but a shard that is restored from a backup cannot be caught up from this log";
        let detail = format!("{}, behind the position {at}: {what}", gone(gap));
        self.report.differs(shard, lane, DifferenceKind::Log, detail);
    }

    /// The frames that are missing behind a position up to a frame. All of them are read.
    async fn holes(&self, lane: Lane, shard: ShardId, from: Position, last: u64) -> Result<Vec<RangeInclusive<u64>>> {
        let mut holes = Vec::new();
        let mut at = from;
        while at.seq < last {
            let mut reader = self.log.read(lane.on(shard), Some(ReadFrom { position: at, frame_id: None })).await?;
            while at.seq < last {
                match reader.next_batch_within(usize::MAX, BYTES, FRAME_MAX).await {
                    Ok(batch) => match batch.last() {
                        Some(frame) => at = frame.position,
                        // Nothing behind it is there to show the gap.
                        None => {
                            holes.push(at.seq + 1..=last);
                            return Ok(holes);
                        }
                    },
                    Err(ReadError::Gap { seq, next, .. }) => {
                        holes.push(seq + 1..=next - 1);
                        at.seq = next - 1;
                        break;
                    }
                    Err(error) => bail!(error),
                }
            }
        }
        Ok(holes)
    }
}

/// Whether frames are missing between the first and the last.
pub(super) fn has_holes(state: &StreamState) -> bool {
    (state.last_seq + 1).saturating_sub(state.first_seq) > state.frames
}

fn gone(gap: &RangeInclusive<u64>) -> String {
    match (gap.start(), gap.end()) {
        (first, last) if first == last => format!("frame {first} is not in the log"),
        (first, last) => format!("frames {first} to {last} are not in the log"),
    }
}
