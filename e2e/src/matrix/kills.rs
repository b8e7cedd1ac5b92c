//! `kill -9`, at any moment and at chosen points.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::trial::{Target, Trial};
use crate::system::Part;

/// Kills it a few times and starts it again a little later.
pub(super) async fn kill(trial: &mut Trial, target: Target) -> Result<()> {
    let process = trial.process(target);
    for _ in 0..trial.span.rounds() {
        trial.work(200..2000).await;
        process.kill().await;
        trial.injected += 1;
        trial.work(0..1500).await;
        process.ensure_started().await?;
    }
    Ok(())
}

/// Lets the writer fail at a point of its work, and starts it again each time that it has died of it.
pub(super) async fn failpoint(trial: &mut Trial, text: &'static str) -> Result<()> {
    trial.replace(Part::Writer, &[("FOREBAY_FAILPOINTS", text)]).await?;
    let writer = trial.process(Target::Service(Part::Writer));
    let end = Instant::now() + trial.span.of(5, 20);
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        if tokio::time::timeout(left, writer.exited()).await.is_ok() {
            trial.injected += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
            // It may die while it starts; then that is the next round.
            let _ = writer.ensure_started().await;
        }
    }
    let is_fatal = text.contains("abort");
    if is_fatal && trial.injected == 0 {
        trial.complain("the failpoint was never met");
    }
    if !is_fatal {
        trial.injected += 1;
    }
    trial.replace(Part::Writer, &[]).await
}
