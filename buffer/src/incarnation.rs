//! Which making of a stream acknowledged a frame. The server's acknowledgement has only the sequence number, so the
//! incarnation is asked for once and then remembered, for as long as nothing hints at another making of the stream.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use forebay_model::{Incarnation, Lane, ShardId};
use tokio::time::Instant;

use crate::log::{Log, LogError};

/// Acknowledgements of concurrent publishes are looked at in any order, but never that far from it.
const DISORDER_MAX: u64 = 4096;

/// What is remembered of each stream.
#[derive(Debug, Default)]
pub(crate) struct Incarnations {
    known: Mutex<HashMap<(Lane, ShardId), Known>>,
    /// One question at a time: a burst of publishes after a reconnect asks once.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    incarnation: Incarnation,
    /// How often the connection had been lost when it was asked for: behind a loss may be another server's store.
    losses: u64,
    /// A new frame in this making of the stream gets a higher sequence number than this.
    floor: u64,
    asked_at: Instant,
}

/// An acknowledgement, as far as it hints at the incarnation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acked {
    pub(crate) seq: u64,
    /// The frame was stored before, so a low sequence number hints at nothing.
    pub(crate) is_duplicate: bool,
    /// How often the connection had been lost when the frame was sent.
    pub(crate) losses: u64,
    pub(crate) at: Instant,
}

impl Known {
    fn explains(&self, acked: Acked) -> bool {
        let same_connection = self.losses == acked.losses;
        let asked_since = self.asked_at >= acked.at;
        asked_since || (same_connection && (acked.is_duplicate || acked.seq > self.floor))
    }
}

impl Incarnations {
    fn remembered(&self, lane: Lane, shard: ShardId, acked: Acked) -> Option<Incarnation> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get_mut(&(lane, shard)).filter(|known| known.explains(acked))?;
        if !acked.is_duplicate {
            known.floor = known.floor.max(acked.seq.saturating_sub(DISORDER_MAX));
        }
        Some(known.incarnation)
    }

    fn remember(&self, lane: Lane, shard: ShardId, known: Known) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert((lane, shard), known);
    }
}

impl Log {
    /// Which making of the stream gave an acknowledgement.
    pub(crate) async fn incarnation_of(
        &self,
        lane: Lane,
        shard: ShardId,
        acked: Acked,
    ) -> Result<Incarnation, LogError> {
        let all = self.incarnations();
        if let Some(incarnation) = all.remembered(lane, shard, acked) {
            return Ok(incarnation);
        }
        let _one_at_a_time = all.asking.lock().await;
        if let Some(incarnation) = all.remembered(lane, shard, acked) {
            return Ok(incarnation);
        }
        let losses = self.link().losses();
        let asked_at = Instant::now();
        let state = self.stream_state(lane, shard).await?;
        let known = Known { incarnation: state.incarnation, losses, floor: state.last_seq, asked_at };
        all.remember(lane, shard, known);
        Ok(state.incarnation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_low_number_or_a_lost_connection_makes_it_ask_again() {
        let asked_at = Instant::now();
        let known = Known { incarnation: Incarnation::new(1), losses: 2, floor: 10, asked_at };
        let later = asked_at + Duration::from_secs(1);
        let acked = Acked { seq: 11, is_duplicate: false, losses: 2, at: later };
        assert!(known.explains(acked));
        assert!(!known.explains(Acked { seq: 10, ..acked }));
        assert!(known.explains(Acked { seq: 10, is_duplicate: true, ..acked }));
        assert!(!known.explains(Acked { losses: 3, ..acked }));
        assert!(known.explains(Acked { seq: 1, losses: 3, at: asked_at, ..acked }));
    }
}
