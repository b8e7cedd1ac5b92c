//! Frames that a log should have and has not, or not as they were published.
//!
//! A log is trimmed from its front, behind the position: that is as it should be. Nothing else takes frames away, so one that is
//! missing between others was deleted or is damaged; and what is missing ahead of the position is lost, for nobody has stored it.

use anyhow::Result;
use forebay_log::{ReadError, StreamState, Unreadable};
use forebay_model::{Position, StreamId};
use forebay_shard::StreamPosition;

use super::walk::{Flaw, Met, Walk};
use crate::verify::report::DifferenceKind;
use crate::verify::settings::Depth;
use crate::verify::verification::Verification;

/// Of a frame that this version does not know.
const LATER: &str = "its writer stands still before it, unless it is of a version that knows the format";

impl Verification<'_> {
    /// Checks that a stream has the frames ahead of its position: every one, or only the next, at which a writer stands
    /// still.
    pub(crate) async fn flaws_ahead(&mut self, stream: StreamId) -> Result<()> {
        // In this order: what the log was trimmed of then, the position had passed before.
        let state = self.scope.log.stream_state(stream).await?;
        let position = StreamPosition::of(&mut *self.scope.pool(stream.shard)?.acquire().await?, stream.kind).await?;
        let Some(at) = position.map(|stored| stored.position).filter(|at| at.incarnation == state.incarnation) else {
            return Ok(());
        };
        let mut flaws = Vec::new();
        if state.first_seq > at.seq + 1 {
            flaws.push(Flaw::Gone(at.seq + 1..=state.first_seq - 1));
        }
        let from = Position { seq: at.seq.max(state.first_seq - 1), ..at };
        let is_all_read = self.scope.depth == Depth::Full || has_holes(&state);
        let to = if is_all_read { state.last_seq } else { state.last_seq.min(from.seq + 1) };
        flaws.append(&mut self.flaws_between(stream, from, to).await?);
        for flaw in &flaws {
            let accept = format!("see `forebay log accept-loss {} {}`", stream.kind, stream.shard);
            let what = match flaw {
                Flaw::Gone(_) => format!("they are lost, and its writer stands still before them; {accept}"),
                Flaw::Unreadable(_, Unreadable::Damaged(_)) => format!("its writer stands still before it; {accept}"),
                Flaw::Unreadable(_, Unreadable::Format { .. }) => LATER.to_owned(),
            };
            let detail = format!("{flaw}, ahead of the position {at}: {what}");
            self.report.differs(stream.shard, stream.kind, DifferenceKind::Log, detail);
        }
        if !flaws.is_empty() {
            self.scope.stands_still(stream);
        }
        Ok(())
    }

    /// Tells of frames that were stored, and are missing between others or cannot be read.
    pub(crate) fn flaw_behind(&mut self, stream: StreamId, flaw: &Flaw, at: Position) {
        const CATCH_UP: &str = "a shard that is restored from a backup cannot be caught up from this log";
        let what = match flaw {
            Flaw::Gone(_) => format!("they are stored, but {CATCH_UP}"),
            Flaw::Unreadable(_, Unreadable::Damaged(_)) => format!("it is stored, but {CATCH_UP}"),
            Flaw::Unreadable(_, Unreadable::Format { .. }) => "only a version that knows it can compare it".to_owned(),
        };
        let detail = format!("{flaw}, behind the position {at}: {what}");
        self.report.differs(stream.shard, stream.kind, DifferenceKind::Log, detail);
    }

    /// What is wrong with the frames behind a position up to a frame. All of them are read.
    async fn flaws_between(&self, stream: StreamId, from: Position, to: u64) -> Result<Vec<Flaw>> {
        let (mut flaws, mut walk) = (Vec::new(), Walk::behind(&self.scope.log, stream, from));
        while walk.seq() < to {
            match walk.next().await {
                Ok(Met::Frames(_)) => {}
                Ok(Met::Flaw(flaw)) => flaws.push(flaw.up_to(to)),
                // Nothing behind it is there to show the gap.
                Ok(Met::Nothing) => {
                    flaws.push(Flaw::Gone(walk.seq() + 1..=to));
                    break;
                }
                // Stored meanwhile, and trimmed.
                Err(ReadError::Gap { next, .. }) => walk.skip_to(next - 1),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(flaws)
    }
}

/// Whether frames are missing between the first and the last.
fn has_holes(state: &StreamState) -> bool {
    (state.last_seq + 1).saturating_sub(state.first_seq) > state.frames
}
