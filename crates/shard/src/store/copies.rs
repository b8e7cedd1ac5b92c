//! What a move brings: rows that another shard has stored.

use forebay_model::Position;
use forebay_model::ownership::{Copied, CopiedPlace};

use super::StreamStore;
use super::commit::Work;
use super::committed::Committed;
use super::error::CommitError;
use crate::derived::DerivedNote;
use crate::frame::IndexedFrame;
use crate::owner::away::Away;
use crate::place::PlaceLog;
use crate::step::{Step, step};

impl StreamStore {
    /// Commits frames of copies, or the first of them: what is for this shard is stored, as far as it is new. Nothing follows from it here.
    pub(super) async fn commit_copies(
        &mut self,
        frames: &[IndexedFrame],
        from: Position,
        notes: &[DerivedNote],
    ) -> Result<Committed, CommitError> {
        if self.units.is_none() {
            return Err(CommitError::violated("it is not known what the shard says of units"));
        }
        let frames = self.placed(frames).await?;
        let mut count = frames.len();
        loop {
            let frames = &frames[..count];
            let away = self.units.as_ref().map(|units| Away::copies(frames, units)).unwrap_or_default();
            let work = Work { frames, rows: frames, away: &away, edges: &[], owners: &[], are_copies: true };
            if let Some(committed) = self.commit_all(&work, from, notes).await? {
                return Ok(Committed { eventful: Vec::new(), ..committed });
            }
            count = count.div_ceil(2);
        }
    }

    /// The frames, each with the number by which its rows name the log that they were first stored from.
    async fn placed(&mut self, frames: &[IndexedFrame]) -> Result<Vec<IndexedFrame>, CommitError> {
        let mut placed = Vec::with_capacity(frames.len());
        for frame in frames {
            let number = match frame.copied() {
                Some((_, Copied { place: Some(CopiedPlace { shard, incarnation, .. }), .. })) => {
                    Some(step(Step::Position, PlaceLog::number(&mut self.control, *shard, *incarnation)).await?)
                }
                _ => None,
            };
            placed.push(frame.clone().placed_in(number));
        }
        Ok(placed)
    }
}
