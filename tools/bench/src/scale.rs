//! How much is measured: quick, in under three minutes, or full, in under twenty.

use std::time::Duration;

/// The numbers that make a run quick or full.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Whether every row is measured.
    pub is_full: bool,
    /// Orders of a file.
    pub orders: u64,
    /// Rounds of rows that store a file.
    pub rounds: usize,
    /// Rounds of rows that ask for some seconds.
    pub short_rounds: usize,
    /// How long such a row asks, behind its warm-up.
    pub lasts: Duration,
}

impl Scale {
    /// Under three minutes.
    pub const QUICK: Self =
        Self { is_full: false, orders: 200_000, rounds: 2, short_rounds: 2, lasts: Duration::from_millis(1600) };
    /// Under twenty minutes.
    pub const FULL: Self =
        Self { is_full: true, orders: 1_000_000, rounds: 2, short_rounds: 3, lasts: Duration::from_secs(4) };

    /// How long a row warms up.
    pub fn warm_up(&self) -> Duration {
        self.lasts / 4
    }
}
