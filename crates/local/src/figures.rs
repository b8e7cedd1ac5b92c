//! How many orders the shards hold, read from the shards themselves.

use std::time::Duration;

use anyhow::{Result, bail};
use forebay_admin::shards;
use forebay_admin::system::System;
use forebay_log::Log;
use forebay_model::Lane;
use forebay_shard::Tally;
use tokio::time::Instant;

use super::halted::{Halted, Writer};

const POLL: Duration = Duration::from_millis(100);

/// Waits until the shards hold everything that is in the log and what follows from it, then gives what became of the rows of lane `orders`.
///
/// # Errors
/// [`Halted`] where a stream stands still; what is missing, where it takes too long.
pub(super) async fn when_drained(system: &System, log: &Log, writer: &Writer, within: Duration) -> Result<Tally> {
    let deadline = Instant::now() + within;
    loop {
        let figures = shards::read(log, system).await?;
        let (lag, owed) = (figures.lag_frames(), figures.frames_owed());
        if (lag, owed) == (Some(0), Some(0)) {
            return Ok(figures.rows(Lane::Orders));
        }
        // A writer that does not tell is waited for as if nothing were wrong.
        let halted = writer.halted().await.unwrap_or_default();
        if !halted.is_empty() {
            bail!(Halted(halted));
        }
        if Instant::now() > deadline {
            match figures.problems().first() {
                Some(problem) => bail!("{problem}"),
                None if lag == Some(0) => {
                    bail!("the shards still owe each other what follows from orders after {within:?}")
                }
                None => {
                    bail!("the shards are still {} frames behind the log after {within:?}", lag.unwrap_or_default())
                }
            }
        }
        tokio::time::sleep(POLL).await;
    }
}
