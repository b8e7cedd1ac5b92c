//! When the next thing begins.

use std::time::Duration;

use tokio::time::Instant;

/// How fast clients go on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrivals {
    /// As soon as they have their answer.
    Closed,
    /// So often a second, all clients together, whatever the answers take.
    Open(f64),
}

impl Arrivals {
    /// When the thing of that number, counted from 0, is to begin; `None` for at once.
    pub fn due(self, begin: Instant, number: u64) -> Option<Instant> {
        match self {
            Self::Closed => None,
            Self::Open(rate) => Some(begin + Duration::from_secs_f64(number as f64 / rate)),
        }
    }

    /// How long a thing took: from when it was to begin, not from when a client was free to begin it.
    pub fn latency(due: Option<Instant>, begun: Instant, done: Instant) -> Duration {
        done.duration_since(due.unwrap_or(begun))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_paid_for_by_all_that_should_have_begun_meanwhile() {
        let begin = Instant::now();
        let arrivals = Arrivals::Open(1000.0);
        // One client; the first answer takes 100 ms, the others nothing.
        let mut free = begin;
        let latencies: Vec<Duration> = (0..=100)
            .map(|number| {
                let due = arrivals.due(begin, number);
                let begun = free.max(due.unwrap());
                let took = if number == 0 { Duration::from_millis(100) } else { Duration::ZERO };
                free = begun + took;
                Arrivals::latency(due, begun, free)
            })
            .collect();
        assert_eq!(latencies[0], Duration::from_millis(100));
        assert_eq!(latencies[1], Duration::from_millis(99));
        assert_eq!(latencies[50], Duration::from_millis(50));
        assert_eq!(latencies[100], Duration::ZERO);
        let closed = Arrivals::Closed.due(begin, 50);
        assert_eq!(Arrivals::latency(closed, free, free), Duration::ZERO);
    }
}
