//! Which making of a stream acknowledged a frame. The server's acknowledgement has only the sequence number, so the
//! incarnation is asked for once and then remembered, for as long as nothing hints at another making of the stream.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use forebay_model::{Incarnation, StreamId};
use tokio::time::Instant;

use crate::error::LogError;
use crate::log::Log;

/// Acknowledgements of concurrent publishes are looked at in any order, but never that far from it.
const DISORDER_MAX: u64 = 4096;
/// How often it is asked for again where nothing hints at another making: a stream that was renewed gives no hint. Nobody
/// waits for the answer.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What is remembered of each stream.
#[derive(Debug, Default)]
pub(crate) struct Incarnations {
    known: Mutex<HashMap<StreamId, Known>>,
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
    /// When it was last asked for, answered or not.
    looked_at: Instant,
}

/// What was remembered, and whether it is time to ask again.
#[derive(Clone, Copy, Debug)]
struct Remembered {
    incarnation: Incarnation,
    is_due: bool,
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
    fn remembered(&self, stream: StreamId, acked: Acked) -> Option<Remembered> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get_mut(&stream).filter(|known| known.explains(acked))?;
        if !acked.is_duplicate {
            known.floor = known.floor.max(acked.seq.saturating_sub(DISORDER_MAX));
        }
        let is_due = known.looked_at.elapsed() >= LOOK_EVERY;
        if is_due {
            known.looked_at = Instant::now();
        }
        Some(Remembered { incarnation: known.incarnation, is_due })
    }

    fn incarnation(&self, stream: StreamId) -> Option<Incarnation> {
        let all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&stream).map(|known| known.incarnation)
    }

    fn remember(&self, stream: StreamId, known: Known) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(stream, known);
    }
}

impl Log {
    /// Which making of the stream gave an acknowledgement.
    pub(crate) async fn incarnation_of(&self, stream: StreamId, acked: Acked) -> Result<Incarnation, LogError> {
        let all = self.incarnations();
        if let Some(Remembered { incarnation, is_due }) = all.remembered(stream, acked) {
            if is_due {
                let log = self.clone();
                let name = format!("incarnation of {stream}");
                self.settings().spawner.spawn(name, async move { log.look_again(stream).await });
            }
            return Ok(incarnation);
        }
        let _one_at_a_time = all.asking.lock().await;
        if let Some(Remembered { incarnation, .. }) = all.remembered(stream, acked) {
            return Ok(incarnation);
        }
        let known = self.ask_incarnation(stream).await?;
        all.remember(stream, known);
        Ok(known.incarnation)
    }

    /// What is remembered stays where it is still true: a fresh floor would doubt acknowledgements that are on their way.
    async fn look_again(&self, stream: StreamId) {
        let Ok(known) = self.ask_incarnation(stream).await else { return };
        let all = self.incarnations();
        if all.incarnation(stream).is_some_and(|remembered| remembered < known.incarnation) {
            all.remember(stream, known);
        }
    }

    async fn ask_incarnation(&self, stream: StreamId) -> Result<Known, LogError> {
        let losses = self.link().losses();
        let asked_at = Instant::now();
        let state = self.stream_state(stream).await?;
        Ok(Known { incarnation: state.incarnation, losses, floor: state.last_seq, asked_at, looked_at: asked_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_number_or_a_lost_connection_makes_it_ask_again() {
        let asked_at = Instant::now();
        let known = Known { incarnation: Incarnation::new(1), losses: 2, floor: 10, asked_at, looked_at: asked_at };
        let later = asked_at + Duration::from_secs(1);
        let acked = Acked { seq: 11, is_duplicate: false, losses: 2, at: later };
        assert!(known.explains(acked));
        assert!(!known.explains(Acked { seq: 10, ..acked }));
        assert!(known.explains(Acked { seq: 10, is_duplicate: true, ..acked }));
        assert!(!known.explains(Acked { losses: 3, ..acked }));
        assert!(known.explains(Acked { seq: 1, losses: 3, at: asked_at, ..acked }));
    }
}
