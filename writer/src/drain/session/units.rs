//! What a session does for units that are elsewhere, or come and go.

use std::time::Duration;

use forebay_model::Epoch;
use forebay_model::ownership::Taken;
use tokio::time::Instant;
use tracing::{debug, error, info};

use super::Session;
use crate::failure::Failure;

/// How long frames wait at a time for what is deleted meanwhile.
const CLEAN_MAX: Duration = Duration::from_millis(100);

impl Session<'_> {
    /// The epoch of the map that is followed.
    pub(super) fn epoch(&self) -> Epoch {
        self.map.borrow().as_ref().map_or(Epoch::default(), |map| map.epoch())
    }

    /// Sends on what is parked, as far as that can be.
    pub(super) async fn send_parked(&mut self) -> Result<(), Failure> {
        if self.map.has_changed().unwrap_or(false)
            && let Some(map) = self.map.borrow_and_update().clone()
        {
            self.store.follow_map(map);
        }
        for (bucket, to) in self.store.parked_to_be_sent() {
            let waiting = self.store.waiting(bucket, to).await?;
            let sent = self.sender.send(&self.context.log, self.epoch(), waiting.parts()).await;
            let Some(&edge) = sent.get(&to) else { continue };
            let taken = self.store.sent_parked(self.position, &waiting, edge).await;
            taken.map_err(|error| Failure::of_commit(error, self.position))?;
            self.context.status.sent_parked(&waiting);
        }
        Ok(())
    }

    /// Deletes some of what is nobody's here any more.
    pub(super) async fn clean(&mut self) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            let goes_on = self.store.clean(self.position).await;
            let goes_on = goes_on.map_err(|error| Failure::of_commit(error, self.position))?;
            if !goes_on || begun.elapsed() >= CLEAN_MAX {
                return Ok(());
            }
        }
    }
}

/// A control frame has said whose a unit is. Where it lies, the span of its commit says.
pub(super) fn tell_of(taken: &Taken) {
    match taken {
        Taken::Changed(said, duty) => info!(?said, ?duty, "what this shard is to a unit has changed"),
        Taken::Refused(said) => {
            error!(?said, "this shard has other rows of a unit than the one that it comes from, and does not own it");
        }
        Taken::Unfit => {
            error!("what a control frame says of a unit does not follow from what was said before; it is passed over");
        }
        Taken::Late => debug!("what a control frame says of a unit is known"),
    }
}
