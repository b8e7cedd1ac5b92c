//! How long to wait after a failure: longer each time, until there is progress.

use std::time::Duration;

/// The wait after the next failure. A constant of this type says how something is tried again; a copy of it counts the
/// failures of one.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    last: Duration,
    next: Duration,
}

impl Backoff {
    /// Waits of up to `first`, then of up to twice as much each time, and never of more than `last`.
    pub const fn new(first: Duration, last: Duration) -> Self {
        Self { first, last, next: first }
    }

    /// Something worked: the next failure is a first one.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// How long to wait after a failure: what its turn is, or down to half of it by chance, because those who fail together must
    /// not come back together.
    pub fn after_failure(&mut self) -> Duration {
        self.within(rand::random())
    }

    /// Waits that long. A wait that is given up in the middle counts.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.after_failure()).await;
    }

    /// The wait where chance says `random`, from 0 to 1.
    fn within(&mut self, random: f64) -> Duration {
        let wait = self.next.mul_f64(0.5 + random / 2.0);
        self.next = (self.next * 2).min(self.last);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(100);
    const LAST: Duration = Duration::from_secs(3);

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew_after_progress() {
        let mut backoff = Backoff::new(FIRST, LAST);
        let waits: Vec<_> = (0..8).map(|_| backoff.within(1.0)).collect();
        assert_eq!(waits[0], FIRST);
        assert!(waits.is_sorted() && waits[7] == LAST, "{waits:?}");
        assert_eq!(backoff.within(0.0), LAST / 2);
        backoff.reset();
        assert_eq!(backoff.within(1.0), FIRST);
    }
}
