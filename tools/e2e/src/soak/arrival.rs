//! Orders and events are sent in any order, some of them twice, in rounds; the last round when everything before it is settled.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use forebay_api::stats::{ShardState, Stats};
use forebay_model::Lane;
use forebay_stack::ServiceName;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::history::History;
use super::report::Check;
use crate::System;

/// What part of all goes at one time: what lies in an earlier round comes before its order, or long before its event.
const ROUNDS: usize = 20;
/// One in N comes twice.
const TWICE: u32 = 10;
/// How long nothing may be stored.
const PATIENCE: Duration = Duration::from_mins(2);

/// Something that is sent.
#[derive(Clone, Copy)]
struct Fact {
    order: u64,
    /// Which of its events; none of them is the order itself.
    event: Option<u8>,
}

/// How many facts there are.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    orders: u64,
    events: u64,
}

/// Sends everything, and gives what became of it.
pub(super) async fn send(system: &System, history: History, dir: &Path) -> Result<Vec<Check>> {
    let (facts, once) = facts(history);
    let twice = Counts::of(&facts);
    let begun = Instant::now();
    let rounds: Vec<&[Fact]> = facts.chunks(facts.len().div_ceil(ROUNDS)).collect();
    let mut accepted = Duration::ZERO;
    for (number, round) in rounds.iter().enumerate() {
        if number + 1 == rounds.len() {
            settle(system).await?;
        }
        let before = Instant::now();
        one_round(system, history, round, dir).await?;
        accepted += before.elapsed();
    }
    settle(system).await?;
    let (sent, took) = (facts.len() as f64, begun.elapsed().as_secs_f64());
    println!(
        "     {} orders and {} events sent, {:.0} facts/s accepted, {:.0} facts/s stored and derived, {took:.0} s",
        twice.orders,
        twice.events,
        sent / accepted.as_secs_f64(),
        sent / took,
    );
    fates(system, once, twice).await
}

/// Everything that is sent, in the order in which it is, and how much that is if nothing is sent twice.
fn facts(history: History) -> (Vec<Fact>, Counts) {
    let random = &mut StdRng::seed_from_u64(history.seed);
    let mut facts: Vec<Fact> = Vec::new();
    for (order, sold) in (0..).zip(history.all()) {
        let events = (0u8..).zip(&sold.events).map(|(event, _)| Some(event));
        facts.extend([None].into_iter().chain(events).map(|event| Fact { order, event }));
    }
    let once = Counts::of(&facts);
    let again: Vec<Fact> = facts.iter().filter(|_| random.random_ratio(1, TWICE)).copied().collect();
    facts.extend(again);
    facts.shuffle(random);
    (facts, once)
}

impl Counts {
    fn of(facts: &[Fact]) -> Self {
        let orders = facts.iter().filter(|fact| fact.event.is_none()).count() as u64;
        Self { orders, events: facts.len() as u64 - orders }
    }
}

/// Sends a round's orders and events at the same time.
async fn one_round(system: &System, history: History, facts: &[Fact], dir: &Path) -> Result<()> {
    let (orders, events) = (dir.join("orders.ndjson"), dir.join("events.ndjson"));
    let mut to_orders = BufWriter::new(File::create(&orders)?);
    let mut to_events = BufWriter::new(File::create(&events)?);
    for fact in facts {
        let sold = history.sold(fact.order);
        match fact.event {
            None => writeln!(to_orders, "{}", sold.order_json())?,
            Some(place) => writeln!(to_events, "{}", sold.event_json(place.into()))?,
        }
    }
    to_orders.flush()?;
    to_events.flush()?;
    let counts = Counts::of(facts);
    let orders = replay(system, &orders, &[], counts.orders);
    let events = replay(system, &events, &["--events"], counts.events);
    tokio::try_join!(orders, events).map(drop)
}

async fn replay(system: &System, file: &Path, kind: &[&str], lines: u64) -> Result<()> {
    let paths = [file.display().to_string(), file.with_extension("state").display().to_string()];
    let [file, state] = paths.each_ref().map(String::as_str);
    let report = system.replay(&[&["--state-dir", state], kind, &[file]].concat(), b"").await?;
    ensure!(report["accepted"] == lines, "of {lines} lines not every one was accepted: {report}");
    Ok(())
}

/// Waits until all that is logged is stored, and what follows from it, as long as something happens.
async fn settle(system: &System) -> Result<()> {
    let mut last = (Vec::new(), Instant::now());
    loop {
        let stats = stats(system, 20_000).await?;
        if stats.drained {
            return Ok(());
        }
        let now = Lane::ALL.into_iter().map(|lane| of_lane(&stats, lane)).collect::<Vec<_>>();
        if now != last.0 {
            last = (now, Instant::now());
        }
        ensure!(last.1.elapsed() < PATIENCE, "nothing is stored any more: {stats:?}");
    }
}

async fn stats(system: &System, wait_ms: u32) -> Result<Stats> {
    let (status, stats) = system.ask(ServiceName::Query, &format!("/v1/stats?wait_ms={wait_ms}")).await?;
    ensure!(status == 200, "statistics: {status}: {stats}");
    serde_json::from_value(stats).context("statistics")
}

/// Stored, duplicates and dead letters.
fn of_lane(stats: &Stats, lane: Lane) -> [u64; 3] {
    let mut sums = [0; 3];
    for shard in &stats.shards {
        if let ShardState::Up { lanes, .. } = &shard.state
            && let Some(lane) = lanes.get(&lane)
        {
            let figures = [lane.stored, lane.duplicates, lane.dead_letters];
            sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure);
        }
    }
    sums
}

/// Whether each fact is stored once, and what came twice is counted as that.
async fn fates(system: &System, once: Counts, twice: Counts) -> Result<Vec<Check>> {
    let stats = stats(system, 0).await?;
    let check = |lane: Lane, once: u64, twice: u64| {
        let (found, expected) = (of_lane(&stats, lane), [once, twice - once, 0]);
        let what = format!("{lane}: stored, duplicates and dead letters are {expected:?}");
        let wrong = (found != expected).then(|| format!("they are {found:?}")).into_iter().collect();
        Check { what, expected: once, found: found[0], wrong }
    };
    Ok(vec![check(Lane::Orders, once.orders, twice.orders), check(Lane::Events, once.events, twice.events)])
}
