//! Buckets that move from shard to shard while something is done to the system, or to their rows.

pub(super) mod dead;
pub(super) mod kills;
pub(super) mod rows;

use std::time::Duration;

use anyhow::{Result, ensure};
use forebay_model::{Bucket, ShardId, ShardMap};
use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::trial::Trial;
use crate::load::ledger::Outcome;
use crate::load::maker::{Made, Maker};

/// How long what moves may take to be where it goes, or back, once everything runs again.
const MOVED_WITHIN: Duration = Duration::from_mins(2);

/// Replays orders, so that there is something to move.
async fn fill(trial: &mut Trial, orders: usize) -> Result<()> {
    let mut maker = Maker::new("fill", StdRng::from_rng(&mut trial.rng));
    let orders: Vec<Made> = (0..orders).map(|_| maker.make(true)).collect();
    trial.ledger.sending(&orders)?;
    let lines: Vec<String> = orders.iter().map(|made| made.json.to_string()).collect();
    let summary = trial.system.replay(&["-"], lines.join("\n").as_bytes()).await?;
    ensure!(summary["accepted"] == orders.len(), "nothing was in the way of the file: {summary}");
    for made in &orders {
        trial.ledger.settle(&made.mark, Outcome::Accepted)?;
    }
    Ok(())
}

/// Two shards of those that there are.
fn two_shards(trial: &mut Trial) -> (ShardId, ShardId) {
    let shards = trial.system.stack.postgres_count() as u16;
    let from = trial.rng.random_range(0..shards);
    let to = (from + trial.rng.random_range(1..shards)) % shards;
    (ShardId(from), ShardId(to))
}

/// Begins to move buckets, whose rows are not kept where they were.
async fn begin(trial: &Trial, buckets: &[Bucket], from: ShardId, to: ShardId) -> Result<()> {
    let (list, from, to) = (list(buckets), from.to_string(), to.to_string());
    let command = ["shards", "move", "--buckets", &list, "--from", &from, "--to", &to];
    let command = [&command[..], &["--yes", "--no-wait", "--keep-s", "0"]].concat();
    let ran = trial.system.forebay(&command, b"").await?;
    ensure!(ran.code == Some(0), "nothing was in the way of {command:?}: {ran:?}");
    Ok(())
}

/// As the command takes it: also one alone is a list.
fn list(buckets: &[Bucket]) -> String {
    buckets.iter().map(|bucket| format!("{bucket},")).collect()
}

/// Waits until nothing moves any more, and nothing is left where it was.
async fn must_be_moved(trial: &mut Trial) -> bool {
    trial
        .must("nothing moves any more", MOVED_WITHIN, async |system| {
            let map = system.stored_map().await.map_err(|error| format!("{error:#}"))?;
            if is_at_rest(&map) { Ok(()) } else { Err(told(&map)) }
        })
        .await
}

fn is_at_rest(map: &ShardMap) -> bool {
    map.moves().is_empty() && map.queue().waiting().next().is_none()
}

fn told(map: &ShardMap) -> String {
    let first: Vec<_> = map.moves().iter().take(3).collect();
    format!("{} wait, {} are under way: {first:?}", map.queue().waiting().count(), map.moves().len())
}

/// The rows of all these buckets are the same wherever they are.
async fn must_be_equal(trial: &mut Trial, buckets: &str) -> Result<()> {
    let ran = trial.system.forebay(&["verify", "--buckets", buckets], b"").await?;
    if ran.code != Some(0) {
        trial.add_finding(format!(
            "verify --buckets {buckets} ended with {:?}: {} {}",
            ran.code, ran.stdout, ran.stderr
        ));
    }
    Ok(())
}

/// What was sent on more than once is a duplicate that no client has sent.
async fn note_sent_on(trial: &mut Trial) -> Result<()> {
    for lane in forebay_model::Lane::ALL {
        let sum = format!("select coalesce(sum(rows_sent_on), 0) from lane_tally where lane = '{lane}'");
        trial.known.again[lane].max += trial.system.sum(&sum).await?.unsigned_abs();
    }
    Ok(())
}
