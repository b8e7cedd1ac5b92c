//! SIGTERM while everything is in use.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::trial::{Target, Trial};
use crate::answers::Answer;
use crate::system::Part;

/// A request that was sent this long before the signal has arrived.
const ARRIVED_AFTER: Duration = Duration::from_millis(100);
/// What `--shutdown-grace-s` says.
const GRACE: Duration = Duration::from_secs(20);

/// Stops it in order a few times; every request that it has is answered, and it exits with 0.
pub(super) async fn stop(trial: &mut Trial, part: Part) -> Result<()> {
    let process = trial.process(Target::Service(part));
    for _ in 0..trial.span.rounds() {
        trial.work(300..1500).await;
        let told = Instant::now();
        let status = process.stop().await;
        trial.injected += 1;
        if !status.is_some_and(|status| status.success()) {
            trial.complain(format!("{part:?} ended with {status:?}"));
        }
        if told.elapsed() > GRACE {
            trial.complain(format!("{part:?} took {:?} to stop", told.elapsed()));
        }
        trial.work(0..500).await;
        judge(trial, part, told);
        process.ensure_started().await?;
    }
    Ok(())
}

fn judge(trial: &mut Trial, part: Part, told: Instant) {
    let answers = match part {
        Part::Ingest => &trial.writes,
        Part::Query => &trial.reads,
        // Nobody talks to it.
        Part::Writer => return,
    };
    let in_flight = |answer: &Answer| answer.asked + ARRIVED_AFTER < told;
    let answers = answers.between(told, Instant::now());
    let cut: Vec<&Answer> = answers.iter().filter(|answer| in_flight(answer) && answer.status.is_none()).collect();
    if !cut.is_empty() {
        trial.complain(format!("{} requests were in flight at the signal and got no answer", cut.len()));
    }
}
