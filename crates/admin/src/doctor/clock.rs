//! How far a server's clock is from the one of this machine.

use forebay_model::Timestamp;

use super::report::Notes;

/// Lag figures, trimming by age and assigned times go by clocks: a second is nothing to them, more may be.
const SKEW_MAX_US: i64 = 1_000_000;

/// What a server's clock said between two moments of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// How far it is ahead, in microseconds.
    ahead_us: i64,
    /// How wrong that may be.
    within_us: i64,
}

impl Reading {
    pub(super) fn new(before: Timestamp, there: Timestamp, after: Timestamp) -> Self {
        let within_us = (after.unix_us() - before.unix_us()) / 2;
        Self { ahead_us: there.unix_us() - before.unix_us() - within_us, within_us }
    }

    /// Notes it.
    pub(super) fn note(self, notes: &mut Notes) {
        let side = if self.ahead_us < 0 { "behind" } else { "ahead of" };
        let ms = |us: i64| us as f64 / 1000.0;
        let saw = format!(
            "{:.1} ms {side} this machine's, give or take {:.1} ms",
            ms(self.ahead_us.abs()),
            ms(self.within_us)
        );
        if self.is_skewed() {
            notes.warning(
                "clock",
                saw,
                "let both machines keep time by NTP: lag, trimming and assigned times go by their clocks",
            );
        } else {
            notes.ok("clock", saw);
        }
    }

    fn is_skewed(self) -> bool {
        self.ahead_us.saturating_abs() - self.within_us > SKEW_MAX_US
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_is_no_skew() {
        let reading = |before, there, after| {
            let at = Timestamp::from_unix_us;
            Reading::new(at(before), at(there), at(after))
        };
        assert_eq!(reading(0, 500, 1000), Reading { ahead_us: 0, within_us: 500 });
        assert!(!reading(0, 2_900_000, 4_000_000).is_skewed());
        assert!(reading(0, 1_100_000, 10).is_skewed());
        assert!(reading(10_000_000, 1_100_000, 10_000_010).is_skewed());
    }
}
