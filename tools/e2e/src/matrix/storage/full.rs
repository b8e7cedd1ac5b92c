//! No room: in the streams, on the disk of the log, on the disk of a shard.

use std::time::{Duration, Instant};

use anyhow::Result;
use forebay_stack::{Server, ServiceName};
use rand::RngExt;

use crate::load::answers::Answer;
use crate::matrix::disk::Disk;
use crate::matrix::trial::{Target, Trial};

/// Streams that can be filled in seconds. What is committed leaves room for what comes between two trimmings.
pub(crate) const SETTINGS: &[(&str, &str)] =
    &[("FOREBAY_STREAM_BYTES_MAX", "512KiB"), ("FOREBAY_KEEP_BEHIND_BYTES", "64KiB")];
/// How long it may take to fill what is small.
const FULL_WITHIN: Duration = Duration::from_mins(1);

/// Fewer answers than this say nothing.
pub(super) const ELSEWHERE_MIN: usize = 100;
/// By how much a median of milliseconds varies on a busy machine.
const JITTER: Duration = Duration::from_millis(20);

/// The writer is away until the streams are full.
pub(crate) async fn log(trial: &mut Trial) -> Result<()> {
    for _ in 0..trial.span.rounds() {
        let writer = Target::Service(ServiceName::Writer);
        trial.kill(writer).await;
        must_refuse(trial, Instant::now()).await;
        trial.work(500..2000).await;
        trial.start_again(writer).await?;
        trial.must_work_again(Instant::now(), Duration::from_secs(30)).await;
    }
    Ok(())
}

/// A shard is away until its streams are full. Then its orders are refused, and those of the others go on as before.
pub(crate) async fn shard(trial: &mut Trial, shard: usize) -> Result<()> {
    let begun = Instant::now();
    tokio::time::sleep(trial.span.of(3, 10)).await;
    let usual = median(&elsewhere(trial, shard, begun));
    let server = Target::Server(Server::Postgres(shard));
    trial.kill(server).await;
    let killed = Instant::now();
    must_refuse(trial, killed).await;
    tokio::time::sleep(trial.span.of(3, 20)).await;
    let answers = elsewhere(trial, shard, killed);
    trial.must_be_answered("orders of other shards", &answers, &[202], Duration::from_secs(2));
    let took = median(&answers);
    if answers.len() < ELSEWHERE_MIN || usual.is_zero() || took > usual * 2 + JITTER {
        trial.add_finding(format!("{} orders of other shards took {took:?} instead of {usual:?}", answers.len()));
    }
    trial.start_again(server).await
}

/// The answers since then to orders that are not logged for that shard.
pub(super) fn elsewhere(trial: &Trial, shard: usize, since: Instant) -> Vec<Answer> {
    let answers = trial.writes.between(since, Instant::now());
    answers.into_iter().filter(|answer| !answer.shards.contains(&shard)).collect()
}

/// How long it took, in the middle.
fn median(answers: &[Answer]) -> Duration {
    let mut took: Vec<Duration> = answers.iter().map(Answer::took).collect();
    took.sort_unstable();
    took.get(took.len() / 2).copied().unwrap_or_default()
}

/// Somebody else takes the room on the disk of the log.
pub(crate) async fn log_disk(trial: &mut Trial) -> Result<()> {
    let disk = Disk::under(&trial.system, Server::Nats, 64).await?;
    trial.must_work_again(Instant::now(), Duration::from_secs(30)).await;
    disk.fill(64 * 1024)?;
    trial.injected += 1;
    must_refuse(trial, Instant::now()).await;
    trial.work(500..3000).await;
    disk.empty()?;
    trial.disk = Some(disk);
    // NATS gives up every stream that has met the full disk, until it is started again.
    trial.system.stack.restart(Server::Nats).await
}

/// Somebody else takes the room on the disk of a shard. Orders are accepted all the while.
pub(crate) async fn shard_disk(trial: &mut Trial, shard: usize) -> Result<()> {
    let server = Server::Postgres(shard);
    let disk = Disk::under(&trial.system, server, 160).await?;
    trial.must_work_again(Instant::now(), Duration::from_secs(30)).await;
    disk.fill(64 * 1024)?;
    trial.injected += 1;
    let filled = Instant::now();
    if trial.rng.random() {
        // Without room for its own log the server goes down.
        let _ =
            trial.system.stack.sql(shard, "create table filler (); select pg_switch_wal(); drop table filler").await;
    }
    tokio::time::sleep(trial.span.of(8, 20)).await;
    let answers = trial.writes.between(filled, Instant::now());
    trial.must_be_answered("orders", &answers, &[202], Duration::from_secs(12));
    disk.empty()?;
    trial.disk = Some(disk);
    trial.process(Target::Server(server)).ensure_started().await
}

/// There is an order that is refused with 503, and none that waits for ever.
pub(crate) async fn must_refuse(trial: &mut Trial, since: Instant) {
    let writes = trial.writes.clone();
    trial
        .must("orders are refused with 503 and Retry-After", FULL_WITHIN, async |_| {
            let answers = writes.between(since, Instant::now());
            if answers.iter().any(|answer| answer.status == Some(503) && answer.has_retry_after) {
                Ok(())
            } else {
                Err(format!("{} answers", answers.len()))
            }
        })
        .await;
    trial.must_be_answered(
        "orders",
        &trial.writes.between(since, Instant::now()),
        &[202, 503],
        Duration::from_secs(12),
    );
}
