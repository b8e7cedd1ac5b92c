//! What is known of a server that cannot be reached, and whose turn it is to try it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A server that could not be reached is left alone this long by its readers; then one of them tries it.
const ALONE: Duration = Duration::from_secs(1);

/// Whether a server is down. One attempt is made at a time while it is.
#[derive(Debug, Default)]
pub(super) struct Outage {
    down: Mutex<Option<Down>>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Down {
    reason: String,
    tried: Instant,
}

/// Held for the time of an attempt.
pub(super) type Turn<'a> = tokio::sync::MutexGuard<'a, ()>;

impl Outage {
    pub(super) fn is_down(&self) -> bool {
        self.lock().is_some()
    }

    /// Nothing where the server is not down, and else the turn to try it.
    ///
    /// # Errors
    /// Why the server is down, where it is not to be tried now.
    pub(super) fn turn(&self, now: Instant) -> Result<Option<Turn<'_>>, String> {
        let down = self.lock();
        let Some(Down { reason, tried }) = &*down else { return Ok(None) };
        let turn = self.turn.try_lock().ok().filter(|_| now.duration_since(*tried) >= ALONE);
        turn.map(Some).ok_or_else(|| reason.clone())
    }

    /// Waits for the turn to try the server, whenever it was tried last.
    pub(super) async fn next_turn(&self) -> Turn<'_> {
        self.turn.lock().await
    }

    /// Notes that the server could not be reached. Whether that is news.
    pub(super) fn note(&self, reason: String, now: Instant) -> bool {
        self.lock().replace(Down { reason, tried: now }).is_none()
    }

    /// Notes that the server was reached. Whether that is news.
    pub(super) fn end(&self) -> bool {
        self.lock().take().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Down>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_down_costs_its_readers_one_attempt_a_second() {
        let outage = Outage::default();
        let now = Instant::now();
        assert!(outage.turn(now).unwrap().is_none(), "it is not down");
        assert!(outage.note("refused".to_owned(), now));
        let soon = now + ALONE / 2;
        assert_eq!(outage.turn(soon).unwrap_err(), "refused");
        let later = now + ALONE;
        let turn = outage.turn(later).unwrap();
        assert!(turn.is_some());
        assert_eq!(outage.turn(later).unwrap_err(), "refused", "another reader tries it");
        assert!(!outage.note("silent".to_owned(), later));
        drop(turn);
        assert_eq!(outage.turn(later + ALONE / 2).unwrap_err(), "silent");
        assert!(outage.end() && !outage.end());
        assert!(outage.turn(later).unwrap().is_none());
    }
}
