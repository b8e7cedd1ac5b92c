//! Where derived facts go, as the map has it now. A session deals them out by one version of the map until everything is derived by it: what is
//! owed to a shard by the one is not owed to another by the next.

use std::time::Duration;

use forebay_model::ShardId;
use tokio::time::{Instant, timeout_at};
use tracing::info;

use super::Session;
use crate::derive::is_dealt_alike;
use crate::drain::opening::derive;
use crate::failure::Failure;

/// How long frames wait, once, for what is just being derived: moments, but where a disk is busy.
const WAIT_MAX: Duration = Duration::from_secs(3);
/// How long a session goes on by the map of before, where a shard is owed more than that.
const AGAIN: Duration = Duration::from_secs(10);

impl Session<'_> {
    /// Goes over to the map of now, where it has other shards, or derived facts elsewhere.
    pub(super) async fn follow_places(&mut self) -> Result<(), Failure> {
        let epoch = self.epoch();
        if epoch == self.places_by || Instant::now() < self.places_at {
            return Ok(());
        }
        let Some(deriving) = &self.deriving else { return Ok(()) };
        let Some(newest) = self.map.borrow().clone() else { return Ok(()) };
        if is_dealt_alike(&newest, deriving.map()) {
            self.places_by = epoch;
            return Ok(());
        }
        // One that leaves may take nothing any more, so that what it is owed would never be made up: that is derived again for the others.
        let stays = |target: ShardId| newest.staying().any(|staying| staying == target);
        let is_lost = deriving.board().told().iter().any(|told| told.owed_since.is_some() && !stays(told.target));
        let is_owed = deriving.board().told().iter().any(|told| told.owed_since.is_some());
        if !is_lost && (is_owed || !self.is_all_derived(Instant::now() + WAIT_MAX).await?) {
            self.places_at = Instant::now() + AGAIN;
            return Ok(());
        }
        // Those of before end first.
        self.deriving = None;
        self.deriving = derive(self.context, &mut self.store, self.position).await?;
        info!(%epoch, "what follows from orders goes where the shard map says now");
        self.beat().await;
        Ok(())
    }

    /// Whether everything up to the position is derived, and noted, in time.
    async fn is_all_derived(&mut self, until: Instant) -> Result<bool, Failure> {
        loop {
            let Some(deriving) = &self.deriving else { return Ok(true) };
            let board = deriving.board();
            if board.derived_seq(self.position) == Some(self.position.seq) {
                return Ok(true);
            }
            if timeout_at(until, board.news()).await.is_err() {
                return Ok(false);
            }
            self.note().await?;
        }
    }
}
