//! A server that is there and does nothing.

use std::time::{Duration, Instant};

use anyhow::Result;
use forebay_stack::Server;

use super::case::Span;
use super::trial::{Target, Trial};

/// Ingest waits for two acknowledgements one after the other, five seconds each.
const ORDER_WITHIN: Duration = Duration::from_secs(12);
/// A read waits five seconds for its receipt and then two for its shard.
const READ_WITHIN: Duration = Duration::from_secs(9);
/// A read that has nothing to do with what is frozen.
const READ_ELSEWHERE_WITHIN: Duration = Duration::from_secs(4);

/// Freezes it, looks at what is answered meanwhile, and lets it go on.
pub(super) async fn freeze(trial: &mut Trial, server: Server) -> Result<()> {
    let process = trial.process(Target::Server(server));
    let before = Window::open(trial, server).await?;
    tokio::time::sleep(trial.span.of(3, 10)).await;
    let before = before.close(trial, server).await?;
    let frozen_at = Instant::now();
    let frozen = Window::open(trial, server).await?;
    process.pause();
    trial.injected += 1;
    tokio::time::sleep(trial.span.of(6, 30)).await;
    let frozen = frozen.close(trial, server).await;
    process.resume();
    judge_answers(trial, server, frozen_at);
    let frozen = frozen?;
    if server != Server::Nats {
        // Orders are accepted whether their shard is there or not.
        compare(trial, "orders accepted per second", before.accepted, frozen.accepted);
    }
    if let Server::Postgres(_) = server {
        compare(trial, "rows stored per second by the other shards", before.stored, frozen.stored);
    }
    Ok(())
}

/// What happened per second in a stretch of time.
struct Rates {
    accepted: f64,
    stored: f64,
}

struct Window {
    begun: Instant,
    stored: u64,
}

impl Window {
    async fn open(trial: &Trial, server: Server) -> Result<Self> {
        Ok(Self { stored: stored_elsewhere(trial, server).await?, begun: Instant::now() })
    }

    async fn close(self, trial: &Trial, server: Server) -> Result<Rates> {
        let now = Instant::now();
        let seconds = (now - self.begun).as_secs_f64();
        let answers = trial.writes.between(self.begun, now);
        let accepted: usize = answers.iter().filter(|answer| answer.is_good()).map(|answer| answer.orders).sum();
        let stored = stored_elsewhere(trial, server).await? - self.stored;
        Ok(Rates { accepted: accepted as f64 / seconds, stored: stored as f64 / seconds })
    }
}

/// Rows of lane `orders` on the shards that are not frozen.
async fn stored_elsewhere(trial: &Trial, server: Server) -> Result<u64> {
    let mut sum = 0;
    for shard in (0..trial.system.stack.postgres_count()).filter(|&shard| server != Server::Postgres(shard)) {
        let sql = "select coalesce(sum(rows_stored), 0)::int8 from lane_position where lane = 'orders'";
        sum += trial.system.stack.sql(shard, sql).await?.trim().parse::<u64>()?;
    }
    Ok(sum)
}

/// A short look at a busy machine says less.
fn compare(trial: &mut Trial, what: &str, before: f64, frozen: f64) {
    let share_min = if trial.span == Span::Brief { 0.6 } else { 0.9 };
    if frozen < before * share_min {
        trial.complain(format!("{what}: {frozen:.0} while frozen, {before:.0} before"));
    }
}

fn judge_answers(trial: &mut Trial, server: Server, since: Instant) {
    let now = Instant::now();
    trial.must_be_answered("orders", &trial.writes.between(since, now), &[202, 503], ORDER_WITHIN);
    let (there, elsewhere): (Vec<_>, Vec<_>) = trial
        .reads
        .between(since, now)
        .into_iter()
        .partition(|read| server == Server::Nats || read.shard.map(Server::Postgres) == Some(server));
    trial.must_be_answered("reads", &there, &[200, 503, 504], READ_WITHIN);
    trial.must_be_answered("reads elsewhere", &elsewhere, &[200], READ_ELSEWHERE_WITHIN);
}
