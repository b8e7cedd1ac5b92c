//! How long to wait after a failure: longer each time, until there is progress.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LAST: Duration = Duration::from_secs(3);

/// The wait after the next failure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// Something worked: the next failure is a first one.
    pub(crate) fn progress(&mut self) {
        *self = Self::default();
    }

    /// The wait after a failure. `random` is from 0 to 1: lanes that fail together must not come back together.
    pub(crate) fn after_failure(&mut self, random: f64) -> Duration {
        let wait = self.next.mul_f64(0.5 + random / 2.0);
        self.next = (self.next * 2).min(LAST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew_after_progress() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..8).map(|_| backoff.after_failure(1.0)).collect();
        assert_eq!(waits[0], FIRST);
        assert!(waits.is_sorted() && waits[7] == LAST);
        assert!(backoff.after_failure(0.0) >= LAST / 2);
        backoff.progress();
        assert_eq!(backoff.after_failure(1.0), FIRST);
    }
}
