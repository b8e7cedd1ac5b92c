//! `kill -9`, at any moment and at chosen points, of one process and of all of them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use forebay_stack::ServiceName;

use crate::matrix::ask::figure;
use crate::matrix::trial::{Target, Trial};

/// How the query service says that it has missed notices.
const GAPS: &str = "forebay_cache_notice_gaps_total";

/// One or two are missed without anybody's doing, where a lane begins.
const GAPS_MIN: f64 = 10.0;

/// How long it may take until a failpoint is met for the first time: a slow machine has little to commit.
const FIRST_MAX: Duration = Duration::from_secs(40);

/// Kills it a few times and starts it again a little later.
pub(crate) async fn kill(trial: &mut Trial, target: Target) -> Result<()> {
    for _ in 0..trial.span.rounds() {
        trial.work(200..2000).await;
        trial.kill(target).await;
        trial.work(0..1500).await;
        trial.start_again(target).await?;
    }
    Ok(())
}

/// Kills every service and every server at once, as when the power goes, and starts them all.
pub(crate) async fn everything(trial: &mut Trial) -> Result<()> {
    let all = trial.everybody();
    for _ in 0..trial.span.rounds() {
        trial.work(500..3000).await;
        for part in ServiceName::STOPPING {
            trial.outages.begin(part);
        }
        let mut dying = tokio::task::JoinSet::new();
        all.iter().map(|&target| trial.process(target)).for_each(|process| {
            dying.spawn(async move { process.kill().await });
        });
        dying.join_all().await;
        trial.injected += all.len();
        if let Some(alive) = all.iter().find(|&&target| trial.process(target).is_alive()) {
            trial.add_finding(format!("{} is alive still", alive.name()));
        }
        trial.start_all().await?;
    }
    Ok(())
}

/// Lets the writer fail at a point of its work, and starts it again each time that it has died of it.
pub(crate) async fn failpoint(trial: &mut Trial, text: &'static str) -> Result<()> {
    trial.replace(ServiceName::Writer, &[("FOREBAY_FAILPOINTS", text)]).await?;
    if text.contains("abort") {
        aborts(trial).await;
    } else {
        drops(trial).await?;
    }
    trial.replace(ServiceName::Writer, &[]).await
}

async fn aborts(trial: &mut Trial) {
    let writer = trial.process(Target::Service(ServiceName::Writer));
    let begin = Instant::now();
    loop {
        let lasts = if trial.injected == 0 { FIRST_MAX } else { trial.span.of(5, 20) };
        let Some(left) = lasts.checked_sub(begin.elapsed()) else { break };
        if tokio::time::timeout(left, writer.exited()).await.is_ok() {
            trial.injected += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
            // It may die while it starts; then that is the next round.
            let _ = writer.ensure_started().await;
        }
    }
    if trial.injected == 0 {
        trial.add_finding("the failpoint was never met");
    }
}

/// The writer lives, so whatever notice is missed from now on was dropped.
async fn drops(trial: &mut Trial) -> Result<()> {
    trial.must_work_again(Instant::now(), Duration::from_secs(30)).await;
    let before = gaps(trial).await?;
    tokio::time::sleep(trial.span.of(5, 20)).await;
    let dropped = gaps(trial).await? - before;
    if dropped < GAPS_MIN {
        trial.add_finding(format!("only {dropped} notices were missed"));
    }
    trial.injected += dropped as usize;
    Ok(())
}

async fn gaps(trial: &Trial) -> Result<f64> {
    let found = figure(&trial.system, &trial.system.url(ServiceName::Query, ""), GAPS, "").await?;
    found.context("the query service does not count the notices that it has missed")
}
