//! How many orders the shards hold, read from the shards themselves.

use std::ops::Sub;
use std::time::Duration;

use anyhow::{Result, bail};
use forebay_admin::shards;
use forebay_admin::system::SystemSettings;
use forebay_log::Log;
use forebay_model::Lane;
use tokio::time::Instant;

use super::halted::{Halted, Writer};

const POLL: Duration = Duration::from_millis(100);

/// What became of rows of the lane `orders`, over all shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) stored: u64,
    pub(super) duplicate: u64,
}

impl Sub for Rows {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            stored: self.stored.saturating_sub(other.stored),
            duplicate: self.duplicate.saturating_sub(other.duplicate),
        }
    }
}

/// Waits until the shards hold everything that is in the log, then gives what became of it.
///
/// # Errors
/// [`Halted`] where a lane stands still; what is missing, where it takes too long.
pub(super) async fn when_drained(
    system: &SystemSettings,
    log: &Log,
    writer: &Writer,
    within: Duration,
) -> Result<Rows> {
    let deadline = Instant::now() + within;
    loop {
        let figures = shards::read(log, system).await?;
        let lag = figures.lag_frames();
        if lag == Some(0) {
            let (stored, duplicate) = figures.rows(Lane::Orders);
            return Ok(Rows { stored, duplicate });
        }
        // A writer that does not tell is waited for as if nothing were wrong.
        let halted = writer.halted().await.unwrap_or_default();
        if !halted.is_empty() {
            bail!(Halted(halted));
        }
        if Instant::now() > deadline {
            match figures.problems().first() {
                Some(problem) => bail!("{problem}"),
                None => {
                    bail!("the shards are still {} frames behind the log after {within:?}", lag.unwrap_or_default())
                }
            }
        }
        tokio::time::sleep(POLL).await;
    }
}
