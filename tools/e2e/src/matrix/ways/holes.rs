//! A way on which nothing passes any more, and nobody is told.

use std::time::{Duration, Instant};

use anyhow::Result;
use forebay_api::health::State;
use forebay_stack::{Server, ServiceName};
use forebay_testkit::Mode;

use crate::matrix::ask::dependency;
use crate::matrix::held::Held;
use crate::matrix::trial::Trial;

/// How long it may take until `/readyz` says so.
const NOTICED_WITHIN: Duration = Duration::from_secs(10);
/// How long it may take until `/readyz` says that it is over.
const OVER_WITHIN: Duration = Duration::from_secs(30);
/// Opens the hole, sees that it is noticed, closes it, and sees that nothing is left of it.
pub(crate) async fn black_hole(trial: &mut Trial, part: ServiceName, server: Server) -> Result<()> {
    let name = match server {
        Server::Nats => "nats".to_owned(),
        Server::Redis => "redis".to_owned(),
        Server::Postgres(shard) | Server::Replica(shard) => format!("shard {shard}"),
    };
    let usually = Held::usually(trial, part).await?;
    for _ in 0..trial.span.rounds().min(2) {
        trial.system.links().set(part, server, Mode::BlackHole);
        trial.injected += 1;
        let opened = Instant::now();
        must_be(trial, part, &name, false, NOTICED_WITHIN).await;
        trial.work(500..1500).await;
        tokio::time::sleep(trial.span.of(0, 8)).await;
        trial.must_be_answered("orders", &trial.writes.between(opened, Instant::now()), &[202, 503], OVER_WITHIN);
        trial.system.links().heal();
        must_be(trial, part, &name, true, OVER_WITHIN).await;
        trial.must_work_again(Instant::now(), OVER_WITHIN).await;
    }
    nothing_is_left(trial, part, server, &usually).await
}

/// What was lost in the hole is given up, and the service holds no more than it usually does.
async fn nothing_is_left(trial: &mut Trial, part: ServiceName, server: Server, usually: &Held) -> Result<()> {
    let begun = Instant::now();
    loop {
        let (lossy, held) = (trial.system.links().lossy(part, server), Held::by(trial, part)?);
        if lossy == 0 && held.is_within(usually) {
            return Ok(());
        }
        if begun.elapsed() > OVER_WITHIN {
            trial.add_finding(format!(
                "{part:?} holds {held}, and held {usually} before; {lossy} connections lead into the hole still"
            ));
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn must_be(trial: &mut Trial, part: ServiceName, name: &str, up: bool, within: Duration) {
    let what = format!("{part:?} says that {name} is {}", if up { "up" } else { "down" });
    trial
        .must(&what, within, async |system| {
            let state = dependency(system, part, name).await?;
            if (state == State::Up) == up { Ok(()) } else { Err(format!("{state:?}")) }
        })
        .await;
}
