//! Keeps the orders of all connections together under a rate.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A rate that is not exceeded; none without a limit.
#[derive(Debug)]
pub(crate) struct RateLimit {
    per_s: Option<NonZeroU32>,
    /// When the next order may go.
    next: Mutex<Instant>,
}

impl RateLimit {
    pub(crate) fn new(per_s: Option<NonZeroU32>) -> Self {
        Self { per_s, next: Mutex::new(Instant::now()) }
    }

    /// How many orders a request may hold, so that about ten of them make a second.
    pub(crate) fn orders_per_request(&self, most: usize) -> usize {
        self.per_s.map_or(most, |per_s| (per_s.get() as usize / 10).clamp(1, most))
    }

    /// Reserves the time of `orders`, and gives when they may go. Time in which nothing was sent is not made up for.
    pub(crate) fn reserve(&self, orders: usize, now: Instant) -> Instant {
        let Some(per_s) = self.per_s else { return now };
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let go = (*next).max(now);
        *next = go + Duration::from_secs_f64(orders as f64 / f64::from(per_s.get()));
        go
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_go_at_the_rate_and_a_pause_is_not_made_up_for() {
        let rate = RateLimit::new(NonZeroU32::new(100));
        let start = Instant::now() + Duration::from_secs(1);
        let after = |orders, at_ms| rate.reserve(orders, start + Duration::from_millis(at_ms)) - start;
        assert_eq!(after(10, 0), Duration::ZERO);
        assert_eq!(after(10, 20), Duration::from_millis(100));
        assert_eq!(after(1, 5000), Duration::from_secs(5));
        assert_eq!(after(1, 5000), Duration::from_millis(5010));
    }

    #[test]
    fn requests_are_small_where_the_rate_is() {
        assert_eq!(RateLimit::new(NonZeroU32::new(5)).orders_per_request(1000), 1);
        assert_eq!(RateLimit::new(NonZeroU32::new(1000)).orders_per_request(1000), 100);
        assert_eq!(RateLimit::new(NonZeroU32::new(1_000_000)).orders_per_request(1000), 1000);
        assert_eq!(RateLimit::new(None).orders_per_request(1000), 1000);
    }
}
