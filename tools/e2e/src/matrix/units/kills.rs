//! `kill -9` of any process and any server at any moment of moves.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use forebay_model::{Bucket, ShardId, ShardMap, StreamKind};
use rand::RngExt;
use rand::seq::IndexedRandom;

use super::{begin, fill, is_at_rest, list, must_be_equal, must_be_moved, note_sent_on, two_shards};
use crate::matrix::Span;
use crate::matrix::trial::Trial;

/// Orders that are there at the beginning, for each moment that there is, and at most.
const ORDERS: usize = 300;
const ORDERS_MAX: usize = 60_000;
/// The most buckets that move at a time.
const BUCKETS: usize = 96;

/// Moves some buckets, kills somebody meanwhile, starts them again and waits until everything is where it goes or, where it was given up, back.
pub(crate) async fn kill(trial: &mut Trial) -> Result<()> {
    let is_brief = trial.span == Span::Brief;
    fill(trial, (ORDERS * trial.span.moments()).min(ORDERS_MAX)).await?;
    let all = trial.everybody();
    let (begun, mut turned_back, mut at) = (Instant::now(), 0, BTreeMap::<&str, usize>::new());
    for moment in 0..trial.span.moments() {
        let (from, to) = two_shards(trial);
        let map = trial.system.stored_map().await?;
        let buckets = some_of(trial, &map, from);
        begin(trial, &buckets, from, to).await?;
        if moment % 8 == 0 {
            must_be_refused(trial, &buckets, from, to).await?;
        }
        trial.work(0..1200).await;
        let phase = phase(&trial.system.stored_map().await?);
        *at.entry(phase).or_default() += 1;
        let victim = *all.choose(&mut trial.rng).context("there is somebody")?;
        trial.kill(victim).await;
        trial.work(0..700).await;
        trial.start_again(victim).await?;
        let is_given_up = trial.rng.random_ratio(1, 5);
        if is_given_up {
            abort(trial).await?;
        }
        if !must_be_moved(trial).await {
            trial.add_finding(format!("moment {moment}: {} was killed while {phase}", victim.name()));
            break;
        }
        let map = trial.system.stored_map().await?;
        let back = units(&buckets).filter(|&(stream, bucket)| map.shard(stream, bucket) != to).count();
        turned_back += back;
        if back > 0 && !is_given_up {
            trial
                .add_finding(format!("moment {moment}: {back} parts are not where they were to go: {}", stopped(&map)));
            break;
        }
    }
    note_sent_on(trial).await?;
    let took = begun.elapsed().as_secs();
    eprintln!("{} moments in {took} s, {turned_back} parts turned back; killed while {at:?}", trial.injected);
    must_be_equal(trial, if is_brief { "0-299" } else { "0-4095" }).await
}

/// Some of a shard's buckets of customers that have what follows from orders there, too: both parts of each move.
fn some_of(trial: &mut Trial, map: &ShardMap, from: ShardId) -> Vec<Bucket> {
    let is_there = |bucket: &Bucket| StreamKind::ALL.iter().all(|&stream| map.shard(stream, *bucket) == from);
    let there: Vec<Bucket> = Bucket::all().filter(is_there).collect();
    let count = trial.rng.random_range(1..=BUCKETS.min(there.len()));
    let mut some: Vec<Bucket> = there.sample(&mut trial.rng, count).copied().collect();
    some.sort_unstable();
    some
}

fn units(buckets: &[Bucket]) -> impl Iterator<Item = (StreamKind, Bucket)> + '_ {
    buckets.iter().flat_map(|&bucket| StreamKind::ALL.map(|stream| (stream, bucket)))
}

/// How far the part is that is furthest.
fn phase(map: &ShardMap) -> &'static str {
    let furthest = map.moves().iter().max_by_key(|entry| entry.epoch);
    furthest.map_or(if is_at_rest(map) { "all is there" } else { "all waits" }, |entry| entry.phase.as_str())
}

fn stopped(map: &ShardMap) -> String {
    format!("{:?}", map.queue().stopped())
}

/// The same units cannot move to somewhere else at the same time; those that are there already do not count.
async fn must_be_refused(trial: &mut Trial, buckets: &[Bucket], from: ShardId, to: ShardId) -> Result<()> {
    let other = (0..3).map(ShardId).find(|&shard| shard != from && shard != to).context("there are three")?;
    let (list, from_text, other) = (list(buckets), from.to_string(), other.to_string());
    let ran = trial
        .system
        .forebay(
            &["shards", "move", "--buckets", &list, "--from", &from_text, "--to", &other, "--yes", "--no-wait"],
            b"",
        )
        .await?;
    let is_refused = ran.code == Some(1) && ran.stderr.contains("is under way from shard");
    let is_there = ran.code == Some(64) && ran.stderr.contains("none of these buckets is on shard");
    if !is_refused && !is_there {
        trial.add_finding(format!("a second move of the same was not refused: {ran:?}"));
    }
    Ok(())
}

/// Gives up what is not decided for good, as soon as the log answers.
async fn abort(trial: &Trial) -> Result<()> {
    let begun = Instant::now();
    loop {
        let ran = trial.system.forebay(&["shards", "abort"], b"").await?;
        if ran.code == Some(0) {
            return Ok(());
        }
        ensure!(begun.elapsed() < Duration::from_secs(30), "abort: {ran:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
