//! A server that is there and does nothing.

use std::time::{Duration, Instant};

use anyhow::Result;
use forebay_stack::Server;

use crate::matrix::span::Span;
use crate::matrix::trial::{Target, Trial};

/// Fewer per second than this are no rate.
const USUAL_MIN: f64 = 10.0;
/// Ingest waits for one acknowledgement, for five seconds.
const ORDER_WITHIN: Duration = Duration::from_secs(7);
/// A read waits five seconds for its receipt and then two for its shard.
const READ_WITHIN: Duration = Duration::from_secs(9);
/// A read that has nothing to do with what is frozen.
const READ_ELSEWHERE_WITHIN: Duration = Duration::from_secs(4);

/// Freezes it, looks at what is answered meanwhile, and lets it go on.
pub(crate) async fn freeze(trial: &mut Trial, server: Server) -> Result<()> {
    let process = trial.process(Target::Server(server));
    let before = Rates::over(trial, server, trial.span.of(2, 10)).await?;
    let frozen_at = Instant::now();
    process.pause();
    trial.injected += 1;
    let frozen = Rates::over(trial, server, trial.span.of(5, 30)).await;
    let resumed_at = Instant::now();
    process.resume();
    let frozen = frozen?;
    // The machine may be busier at one time than at another, which is not the freeze's doing.
    let after = Rates::over(trial, server, trial.span.of(2, 10)).await?;
    must_settle(trial, resumed_at).await;
    judge_answers(trial, server, frozen_at, resumed_at);
    if server != Server::Nats {
        // Orders are accepted whether their shard is there or not.
        compare(trial, "requests accepted per second", frozen.accepted, before.accepted.min(after.accepted));
    }
    if let Server::Postgres(_) = server {
        let usual = before.stored.min(after.stored);
        compare(trial, "rows stored per second by the other shards", frozen.stored, usual);
    }
    Ok(())
}

/// What happened per second in a stretch of time.
struct Rates {
    accepted: f64,
    stored: f64,
}

impl Rates {
    async fn over(trial: &Trial, server: Server, duration: Duration) -> Result<Self> {
        let (begun, before) = (Instant::now(), stored_elsewhere(trial, server).await?);
        tokio::time::sleep(duration).await;
        let (now, after) = (Instant::now(), stored_elsewhere(trial, server).await?);
        let seconds = (now - begun).as_secs_f64();
        let accepted = trial.writes.between(begun, now).iter().filter(|answer| answer.is_good()).count();
        Ok(Self { accepted: accepted as f64 / seconds, stored: (after - before) as f64 / seconds })
    }
}

/// Rows of lane `orders` on the shards that are not frozen.
async fn stored_elsewhere(trial: &Trial, server: Server) -> Result<u64> {
    let mut sum = 0;
    for shard in (0..trial.system.stack.postgres_count()).filter(|&shard| server != Server::Postgres(shard)) {
        let sql = "select coalesce(sum(rows_stored), 0)::int8 from lane_tally where lane = 'orders'";
        sum += trial.system.stack.sql(shard, sql).await?.trim().parse::<u64>()?;
    }
    Ok(sum)
}

/// A short look at a busy machine says less.
fn compare(trial: &mut Trial, what: &str, frozen: f64, usual: f64) {
    if usual < USUAL_MIN {
        trial.add_finding(format!("{what}: {usual:.1} usually, which is too little to compare"));
    }
    let share_min = if trial.span == Span::Brief { 0.6 } else { 0.9 };
    if frozen < usual * share_min {
        trial.add_finding(format!("{what}: {frozen:.0} while frozen, {usual:.0} usually"));
    }
}

/// Whatever was asked while it was frozen gets its answer.
async fn must_settle(trial: &mut Trial, resumed_at: Instant) {
    let (writes, reads) = (trial.writes.clone(), trial.reads.clone());
    trial
        .must("what was asked while it was frozen is answered", ORDER_WITHIN, async |_| {
            match writes.waiting(Duration::ZERO, resumed_at) + reads.waiting(Duration::ZERO, resumed_at) {
                0 => Ok(()),
                waiting => Err(format!("{waiting} questions wait")),
            }
        })
        .await;
}

/// What was asked while it was frozen.
fn judge_answers(trial: &mut Trial, server: Server, frozen_at: Instant, resumed_at: Instant) {
    let writes = trial.writes.asked_between(frozen_at, resumed_at);
    trial.must_be_answered("orders", &writes, &[202, 503], ORDER_WITHIN);
    let reads = trial.reads.asked_between(frozen_at, resumed_at);
    let (there, elsewhere): (Vec<_>, Vec<_>) = reads
        .into_iter()
        .partition(|read| server == Server::Nats || read.shards.iter().any(|&shard| Server::Postgres(shard) == server));
    // Nothing has to do with Redis alone, and nothing is elsewhere than the log.
    let is_tried =
        (there.is_empty() == (server == Server::Redis)) && (elsewhere.is_empty() == (server == Server::Nats));
    if writes.is_empty() || !is_tried {
        let (writes, there, elsewhere) = (writes.len(), there.len(), elsewhere.len());
        trial.add_finding(format!("too little was asked: {writes} orders, {there} reads, {elsewhere} reads elsewhere"));
    }
    trial.must_be_answered("reads", &there, &[200, 503, 504], READ_WITHIN);
    trial.must_be_answered("reads elsewhere", &elsewhere, &[200], READ_ELSEWHERE_WITHIN);
}
