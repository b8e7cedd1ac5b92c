//! One target's worker.
//!
//! It keeps up with the commits as long as it can. Where it cannot (the target's stream takes no frames, or was another one, or
//! too much waited), the target is owed something: the worker makes that up from where it has come to, and publishes nothing else
//! there meanwhile. While the stream takes no frames, the same ones are tried on; where it has become another one, everything
//! begins anew. Its trouble is its own: neither the commits nor the other targets notice.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_log::Frame;
use forebay_model::fact::FramePart;
use forebay_model::{Position, ShardId, StreamKind};
use forebay_shard::{Derived, Published};
use forebay_task::Backoff;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{info, instrument, warn};

use super::board::Board;
use super::delivery::{self, Delivered};
use super::look::{LastPublished, look};
use super::owed::Owed;
use super::piece::{Inlet, Piece};
use super::trouble::Trouble;
use super::{Point, Source};
use crate::{failpoint, retry};

/// How often it is looked at a target's stream when nothing hints at a change.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Publishes what follows from one shard's orders to the derived stream of another.
pub(super) struct Target {
    source: Source,
    /// How far it has come, noted or not.
    reached: Derived,
    inlet: Inlet,
    committed: watch::Receiver<Point>,
    board: Arc<Board>,
    /// How often the connection had been lost when the stream was last looked at.
    losses: u64,
}

impl Target {
    pub(super) fn new(
        source: Source,
        note: Derived,
        inlet: Inlet,
        committed: watch::Receiver<Point>,
        board: Arc<Board>,
    ) -> Self {
        Self { source, reached: note, inlet, committed, board, losses: 0 }
    }

    /// Works until it is aborted.
    #[instrument(name = "derive", skip_all, fields(source = %self.source.stream, target = %self.reached.target))]
    pub(super) async fn run(mut self) {
        let mut backoff = retry::BACKOFF;
        loop {
            let trouble = match self.keep_up(&mut backoff).await {
                Ok(()) => return,
                Err(trouble) => trouble,
            };
            if self.set_owed(true) {
                warn!(%trouble, through = %self.reached.through, "derived facts are owed");
            }
            backoff.wait().await;
        }
    }

    /// Makes up what is owed, then publishes what each commit brings. Ends well only with the session.
    async fn keep_up(&mut self, backoff: &mut Backoff) -> Result<(), Trouble> {
        loop {
            self.look().await?;
            self.make_up(backoff).await?;
            if !self.follow(backoff).await? {
                return Ok(());
            }
        }
    }

    /// Publishes piece after piece, until one is missing or the target was away (`true`), or none will come (`false`).
    async fn follow(&mut self, backoff: &mut Backoff) -> Result<bool, Trouble> {
        loop {
            let piece = tokio::select! {
                biased;
                piece = self.inlet.pieces.recv() => piece,
                () = self.inlet.missed.notified() => return Ok(true),
                () = sleep(LOOK_EVERY) => {
                    self.look().await?;
                    if self.reached.through != self.committed.borrow().at {
                        return Ok(true);
                    }
                    continue;
                }
            };
            let Some(Piece { before, after, parts }) = piece else { return Ok(false) };
            if self.reached.through.covers(after) {
                continue;
            }
            if self.reached.through != before {
                return Ok(true);
            }
            if self.publish(parts, after, backoff).await? {
                return Ok(true);
            }
        }
    }

    /// Publishes what lies between where it has come to and the position.
    async fn make_up(&mut self, backoff: &mut Backoff) -> Result<(), Trouble> {
        let mut begun = None;
        loop {
            let Point { at: upto, deriver } = self.committed.borrow_and_update().clone();
            if self.reached.through == upto {
                break;
            }
            let mut owed = Owed::find(&self.source, deriver, self.reached.through, upto, self.target()).await?;
            if !owed.is_nothing() && begun.is_none() && self.set_owed(true) {
                info!(through = %self.reached.through, %upto, "making up what is owed");
            }
            begun.get_or_insert_with(Instant::now);
            while let Some((parts, through)) = owed.next().await? {
                self.publish(parts, through, backoff).await?;
            }
        }
        if self.set_owed(false) {
            info!(took = ?begun.map(|at| at.elapsed()), "nothing is owed any more");
        }
        Ok(())
    }

    /// Publishes parts, and has then come to a position, if the stream is still the one that was looked at. While that takes no
    /// frames, what it has not acknowledged is tried on: what is owed may be more than it has room for, and a worker that began anew
    /// each time would never come to an end. Returns whether it took no frames for a while.
    #[instrument(name = "piece", level = "warn", skip_all, fields(%through))]
    async fn publish(
        &mut self,
        parts: Vec<FramePart>,
        through: Position,
        backoff: &mut Backoff,
    ) -> Result<bool, Trouble> {
        if self.losses != self.source.log.losses() {
            self.look_again().await?;
        }
        let mut frames: Vec<Frame> = parts.into_iter().map(|part| self.frame(part)).collect();
        let mut was_away = false;
        while let Some(away) = self.send(&mut frames).await? {
            was_away = true;
            self.tell_door(Err(away.to_string()));
            if self.set_owed(true) {
                warn!(trouble = %away, "derived facts are owed");
            }
            backoff.wait().await;
            match self.look_again().await {
                // As long as nobody says that it is another stream, the frames are what it lacks.
                Ok(()) | Err(Trouble::Log(_)) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        if was_away {
            self.tell_door(Ok(()));
        }
        self.reached.through = through;
        self.board.reach(self.reached.clone());
        backoff.reset();
        Ok(was_away)
    }

    /// Sends frames until one is not taken; those that are acknowledged are gone from the list. Gives why it was not.
    async fn send(&mut self, frames: &mut Vec<Frame>) -> Result<Option<Trouble>, Trouble> {
        let target = self.target();
        let Delivered { acked, away } = delivery::send(&self.source.log, target, frames).await;
        let incarnation = self.reached.published.position.incarnation;
        let is_same = acked.iter().all(|(position, _)| position.incarnation == incarnation);
        if let Some((position, id)) = acked.into_iter().max_by_key(|(position, _)| position.seq) {
            if self.losses != self.source.log.losses() || !is_same {
                // Whether what was published before is still there, and this behind it, is known only by looking again.
                self.look_again().await?;
            }
            self.reached.published = Published { position, frame_id: id.as_str().to_owned() };
            failpoint::AFTER_DERIVED.pass();
        }
        Ok(away.map(|cause| Trouble::Away { target, cause }))
    }

    /// Looks whether the target's stream is the one that took the last frame. Where it is another one, everything is owed.
    async fn look(&mut self) -> Result<(), Trouble> {
        let losses = self.source.log.losses();
        let stream = StreamKind::Derived.on(self.target());
        if let LastPublished::Other(published) = look(&self.source.log, stream, &self.reached.published).await? {
            self.reached = Derived { target: self.target(), through: Position::NOWHERE, published };
            self.board.reach(self.reached.clone());
        }
        self.losses = losses;
        Ok(())
    }

    /// Looks again in the middle of something, which must be given up where the stream is another one.
    async fn look_again(&mut self) -> Result<(), Trouble> {
        let before = self.reached.published.clone();
        self.look().await?;
        if self.reached.published == before { Ok(()) } else { Err(Trouble::Changed(self.target())) }
    }

    fn frame(&self, part: FramePart) -> Frame {
        Frame::new(part.lane, part.rows, self.source.map.epoch(), Bytes::from(part.tuples))
    }

    fn target(&self) -> ShardId {
        self.reached.target
    }

    /// Whether its stream takes frames, for `/readyz`.
    fn tell_door(&self, state: Result<(), String>) {
        self.source.doors.of(self.target()).set(state);
    }

    fn set_owed(&self, is_owed: bool) -> bool {
        self.board.set_owed(self.target(), is_owed)
    }
}

impl Drop for Target {
    /// Who tries no more knows nothing of it: perhaps another writer does.
    fn drop(&mut self) {
        self.tell_door(Ok(()));
    }
}
