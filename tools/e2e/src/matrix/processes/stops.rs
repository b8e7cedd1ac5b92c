//! SIGTERM while everything is in use, of one service and of all of them.

use std::time::{Duration, Instant};

use anyhow::Result;
use forebay_stack::ServiceName;
use forebay_testkit::Mode;
use rand::seq::SliceRandom;

use crate::load::answers::Answer;
use crate::matrix::trial::{Target, Trial};

/// A request that was sent this long before the signal has arrived.
const ARRIVED_AFTER: Duration = Duration::from_millis(100);
/// Everything that the service asks for takes this much longer: so requests are in flight at any moment.
const DELAY: Duration = Duration::from_millis(250);
/// What `--shutdown-grace-s` says.
const GRACE: Duration = Duration::from_secs(20);
/// How long it may take until requests are in flight.
const IN_FLIGHT_WITHIN: Duration = Duration::from_secs(10);

/// Stops it in order a few times; every request that it has is answered, and it exits with 0.
pub(crate) async fn stop(trial: &mut Trial, part: ServiceName) -> Result<()> {
    let process = trial.process(Target::Service(part));
    for _ in 0..trial.span.rounds() {
        trial.work(300..1500).await;
        trial.system.links().set_all(part, Mode::Delay(DELAY));
        must_be_in_use(trial, part).await;
        trial.outages.begin(part);
        let told = Instant::now();
        let status = process.stop().await;
        trial.system.links().heal();
        trial.injected += 1;
        if !status.is_some_and(|status| status.success()) {
            trial.add_finding(format!("{part:?} ended with {status:?}"));
        }
        if told.elapsed() > GRACE {
            trial.add_finding(format!("{part:?} took {:?} to stop", told.elapsed()));
        }
        trial.work(0..500).await;
        judge(trial, part, told);
        trial.start_again(Target::Service(part)).await?;
    }
    Ok(())
}

/// Stops every service and every server, in whatever order, each while those before may still be at it; each service exits with
/// 0 whatever has stopped before it.
pub(crate) async fn everything(trial: &mut Trial) -> Result<()> {
    let mut all = trial.everybody();
    for _ in 0..trial.span.rounds() {
        trial.work(500..3000).await;
        for part in ServiceName::STOPPING {
            trial.outages.begin(part);
        }
        all.shuffle(&mut trial.rng);
        let mut stopping = tokio::task::JoinSet::new();
        for &target in &all {
            let (process, told) = (trial.process(target), Instant::now());
            stopping.spawn(async move { (target, process.stop().await, told.elapsed()) });
            trial.work(0..700).await;
        }
        for (target, status, took) in stopping.join_all().await {
            trial.injected += 1;
            if matches!(target, Target::Service(_)) && !status.is_some_and(|status| status.success()) {
                let order: Vec<&str> = all.iter().map(|target| target.name()).collect();
                trial.add_finding(format!("{} ended with {status:?} after {took:?}; order: {order:?}", target.name()));
            }
            if took > GRACE {
                trial.add_finding(format!("{} took {took:?} to stop", target.name()));
            }
        }
        trial.start_all().await?;
    }
    Ok(())
}

/// Waits until it has requests that have arrived and are not answered; nobody talks to the writer.
async fn must_be_in_use(trial: &mut Trial, part: ServiceName) {
    let answers = match part {
        ServiceName::Ingest => trial.writes.clone(),
        ServiceName::Query => trial.reads.clone(),
        ServiceName::Writer => return,
    };
    trial
        .must("two requests are in flight", IN_FLIGHT_WITHIN, async |_| {
            match answers.waiting(ARRIVED_AFTER, Instant::now()) {
                few @ 0..2 => Err(format!("{few} are")),
                _ => Ok(()),
            }
        })
        .await;
}

fn judge(trial: &mut Trial, part: ServiceName, told: Instant) {
    let answers = match part {
        ServiceName::Ingest => &trial.writes,
        ServiceName::Query => &trial.reads,
        ServiceName::Writer => return,
    };
    let mut in_flight = answers.between(told, Instant::now());
    in_flight.retain(|answer| answer.asked + ARRIVED_AFTER < told);
    let forgotten = answers.waiting(ARRIVED_AFTER, told);
    let cut: Vec<&Answer> = in_flight.iter().filter(|answer| answer.status.is_none()).collect();
    if in_flight.is_empty() {
        trial.add_finding("no request was in flight at the signal");
    } else if cut.len() + forgotten > 0 {
        let all = in_flight.len() + forgotten;
        trial.add_finding(format!("of {all} requests in flight at the signal {} got no answer", cut.len() + forgotten));
    }
}
