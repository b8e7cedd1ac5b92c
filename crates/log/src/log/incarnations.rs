//! What is remembered of the streams: which making of each gave the last acknowledgements.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use forebay_model::{Incarnation, StreamId};
use tokio::time::Instant;

/// Acknowledgements of concurrent publishes are looked at in any order, but never that far from it.
const DISORDER_MAX: u64 = 4096;
/// How often it is asked for again where nothing hints at another making: a stream that was renewed gives no hint. Nobody
/// waits for the answer.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What is remembered of each stream.
#[derive(Debug, Default)]
pub(crate) struct Incarnations {
    known: Mutex<HashMap<StreamId, KnownIncarnation>>,
    /// One question at a time: a burst of publishes after a reconnect asks once.
    pub(crate) asking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownIncarnation {
    pub(crate) incarnation: Incarnation,
    /// How often the connection had been lost when it was asked for: behind a loss may be another server's store.
    pub(crate) losses: u64,
    /// A new frame in this making of the stream gets a higher sequence number than this.
    pub(crate) floor: u64,
    pub(crate) asked_at: Instant,
    /// When it was last asked for, answered or not.
    pub(crate) looked_at: Instant,
}

/// What was remembered, and whether it is time to ask again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remembered {
    pub(crate) incarnation: Incarnation,
    pub(crate) is_due: bool,
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

impl KnownIncarnation {
    fn explains(&self, acked: Acked) -> bool {
        let same_connection = self.losses == acked.losses;
        let asked_since = self.asked_at >= acked.at;
        asked_since || (same_connection && (acked.is_duplicate || acked.seq > self.floor))
    }
}

impl Incarnations {
    pub(crate) fn remembered(&self, stream: StreamId, acked: Acked) -> Option<Remembered> {
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

    pub(crate) fn incarnation(&self, stream: StreamId) -> Option<Incarnation> {
        let all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&stream).map(|known| known.incarnation)
    }

    pub(crate) fn remember(&self, stream: StreamId, known: KnownIncarnation) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(stream, known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_number_or_a_lost_connection_makes_it_ask_again() {
        let asked_at = Instant::now();
        let known =
            KnownIncarnation { incarnation: Incarnation::new(1), losses: 2, floor: 10, asked_at, looked_at: asked_at };
        let later = asked_at + Duration::from_secs(1);
        let acked = Acked { seq: 11, is_duplicate: false, losses: 2, at: later };
        assert!(known.explains(acked));
        assert!(!known.explains(Acked { seq: 10, ..acked }));
        assert!(known.explains(Acked { seq: 10, is_duplicate: true, ..acked }));
        assert!(!known.explains(Acked { losses: 3, ..acked }));
        assert!(known.explains(Acked { seq: 1, losses: 3, at: asked_at, ..acked }));
    }
}
