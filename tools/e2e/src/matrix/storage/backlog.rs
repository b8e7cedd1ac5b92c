//! A file that is replayed while a shard is down: `replay` waits, and finishes by itself.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use forebay_model::Lane;
use forebay_stack::{Server, ServiceName};
use forebay_testkit::command::forebay;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::full;
use crate::audit::known::Again;
use crate::load::ledger::Outcome;
use crate::load::maker::{Made, Maker};
use crate::matrix::trial::{Target, Trial};

const FILE_ORDERS: usize = 3000;
/// How long the rest of the file may take once the shard is back.
const FINISHED_WITHIN: Duration = Duration::from_mins(1);
/// Whatever of a request was logged before the stream was full may be sent again, each time that there is room for a part.
const AGAIN_MAX: u64 = 100;

/// Replays into full streams, sees that nothing is given up, and lets it go on.
pub(crate) async fn replay(trial: &mut Trial, shard: usize) -> Result<()> {
    let server = Target::Server(Server::Postgres(shard));
    trial.kill(server).await;
    full::must_refuse(trial, Instant::now()).await;
    let mut maker = Maker::new("file", StdRng::from_rng(&mut trial.rng));
    let orders: Vec<Made> = (0..FILE_ORDERS).map(|_| maker.make(true)).collect();
    trial.ledger.sending(&orders)?;
    let mut lines = String::new();
    for made in &orders {
        writeln!(lines, "{}", made.json)?;
    }
    let (to, environment) = (trial.system.url(ServiceName::Ingest, ""), trial.system.stack.env());
    let replay = tokio::spawn(async move {
        forebay(&["replay", "--json", "--no-wait", "--to", &to, "-"], &environment, lines.as_bytes()).await
    });
    tokio::time::sleep(trial.span.of(8, 30)).await;
    if replay.is_finished() {
        trial.add_finding("replay did not wait for the shard");
    }
    trial.start_again(server).await?;
    let ended = tokio::time::timeout(FINISHED_WITHIN, replay).await.context("replay does not finish by itself")?;
    let run = ended??;
    let summary = run.json()?;
    if run.code != Some(0)
        || summary["accepted"] != FILE_ORDERS
        || summary["retries"].as_u64().is_none_or(|times| times == 0)
    {
        trial.add_finding(format!("replay ended with {:?}: {summary} {}", run.code, run.stderr));
    }
    trial.known.again[Lane::Orders] = Again { min: 0, max: AGAIN_MAX * FILE_ORDERS as u64 };
    orders.iter().try_for_each(|made| trial.ledger.settle(&made.mark, Outcome::Accepted))
}
