//! Shards that facts are derived for, and their streams: away, deleted, set back. No order waits for them, and whatever they miss is
//! made up.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use async_nats::jetstream;
use forebay_api::streams::{DerivedReport, StreamReport};
use forebay_model::{ShardId, StreamKind};
use forebay_stack::Server;

use super::full::{ELSEWHERE_MIN, elsewhere};
use crate::matrix::ask::streams;
use crate::matrix::disk::{place_of, run};
use crate::matrix::trial::{Target, Trial};
use crate::system::System;
use crate::system::settled::stream_name;

const WITHIN: Duration = Duration::from_secs(30);
/// How long it may take until a stream is full, or is trimmed past what is owed.
const FULL_WITHIN: Duration = Duration::from_mins(2);
/// How long an order may take that has nothing to do with it.
const ORDER_WITHIN: Duration = Duration::from_secs(7);
/// Each time that a stream was found to be another one than was read, by lane.
const BEGUN_ANEW: &str = "select count(*) from log_loss where lane in ('index', 'views')";
/// Up to where a shard has derived for another.
const THROUGH: &str = "select stream_seq from derived_through where target = ";

/// Where what is owed to a shard is found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owed {
    /// In the log of the shard that owes it.
    InLog,
    /// The log has been trimmed past it, so among the stored orders.
    Trimmed,
}

/// A shard is away until its derived stream is full. Orders of all others are accepted and stored all the while, and what the shard
/// is owed is made up when it comes back.
pub(crate) async fn away(trial: &mut Trial, shard: usize, owed: Owed) -> Result<()> {
    let server = Target::Server(Server::Postgres(shard));
    trial.kill(server).await;
    let killed = Instant::now();
    must_be_owed(trial, shard).await;
    match owed {
        Owed::InLog => trial.work(0..1000).await,
        Owed::Trimmed => must_be_trimmed(trial, shard).await,
    }
    let is_trimmed = is_trimmed(&trial.system, shard).await?;
    if (owed == Owed::Trimmed) != is_trimmed {
        trial.add_finding(format!("what is owed was to be {owed:?}, and the log is trimmed past it: {is_trimmed}"));
    }
    must_store_elsewhere(trial, shard).await?;
    let answers = elsewhere(trial, shard, killed);
    trial.must_be_answered("orders of other shards", &answers, &[202], ORDER_WITHIN);
    if answers.len() < ELSEWHERE_MIN {
        trial.add_finding(format!("only {} orders of other shards were sent", answers.len()));
    }
    trial.start_again(server).await
}

/// A derived stream is deleted, with facts that are nowhere else, and made again.
pub(crate) async fn delete(trial: &mut Trial, shard: usize) -> Result<()> {
    let client = async_nats::connect(trial.system.stack.nats_url()).await.context("cannot reach NATS")?;
    let jetstream = jetstream::new(client);
    let server = Target::Server(Server::Postgres(shard));
    for _ in 0..trial.span.rounds() {
        let before = begun_anew(&trial.system, shard).await?;
        trial.kill(server).await;
        let begun = Instant::now();
        trial.work(1000..3000).await;
        jetstream.delete_stream(derived(shard)).await?;
        trial.injected += 1;
        trial.work(500..5000).await;
        trial.system.forebay(&["migrate"], b"").await?;
        trial.work(0..1000).await;
        let answers = trial.writes.between(begun, Instant::now());
        trial.must_be_answered("orders", &answers, &[202], ORDER_WITHIN);
        trial.start_again(server).await?;
        trial.system.forebay(&["migrate"], b"").await?.ok()?;
        must_begin_anew(trial, shard, before).await;
    }
    Ok(())
}

/// A derived stream loses its tail, with facts that are nowhere else: its files become what they were some time before.
pub(crate) async fn set_back(trial: &mut Trial, shard: usize) -> Result<()> {
    let server = Target::Server(Server::Postgres(shard));
    let place = place_of(&trial.system, Server::Nats).join("jetstream/$G/streams").join(derived(shard));
    let copy = place_of(&trial.system, Server::Nats).with_extension("copy");
    for _ in 0..trial.span.rounds() {
        let before = begun_anew(&trial.system, shard).await?;
        trial.system.stack.stop_server(Server::Nats).await;
        run(Command::new("cp").arg("-a").arg(&place).arg(&copy))?;
        trial.system.stack.restart(Server::Nats).await?;
        trial.must_work_again(Instant::now(), WITHIN).await;
        trial.work(500..2000).await;
        trial.kill(server).await;
        trial.work(1000..3000).await;
        trial.system.stack.stop_server(Server::Nats).await;
        std::fs::remove_dir_all(&place)?;
        std::fs::rename(&copy, &place)?;
        trial.injected += 1;
        trial.system.stack.restart(Server::Nats).await?;
        trial.work(0..2000).await;
        trial.start_again(server).await?;
        must_begin_anew(trial, shard, before).await;
    }
    Ok(())
}

/// The name of a shard's derived stream in the log.
pub(super) fn derived(shard: usize) -> String {
    stream_name(StreamKind::Derived.on(ShardId(shard as u16)))
}

/// How often the derived stream of a shard was found to be another one.
pub(super) async fn begun_anew(system: &System, shard: usize) -> Result<u64> {
    Ok(system.sql(shard, BEGUN_ANEW).await?.trim().parse()?)
}

/// The stream's reader finds that it is another one.
pub(super) async fn must_begin_anew(trial: &mut Trial, shard: usize, before: u64) {
    trial
        .must("the derived stream is found to be another one", WITHIN, async |system| {
            match begun_anew(system, shard).await {
                Ok(times) if times > before => Ok(()),
                other => Err(format!("{other:?} after {before}")),
            }
        })
        .await;
}

/// Every other shard says that it owes something to that one, whose stream is full.
async fn must_be_owed(trial: &mut Trial, shard: usize) {
    trial
        .must("every other shard owes something", FULL_WITHIN, async |system| {
            let streams = streams(system).await.map_err(|error| error.to_string())?;
            let is_it = |target: &&DerivedReport| usize::from(target.target.0) == shard;
            let owes = |stream: &StreamReport| {
                let target = stream.derived.iter().find(is_it);
                target.is_some_and(|target| target.owed_since.is_some() && target.frames_owed != Some(0))
            };
            let is_source =
                |stream: &&StreamReport| stream.stream == StreamKind::Logged && usize::from(stream.shard.0) != shard;
            let idle = streams.iter().filter(is_source).find(|stream| !owes(stream));
            let full = is_full(system, shard).await.map_err(|error| error.to_string())?;
            match idle {
                None if full => Ok(()),
                idle => Err(format!("the stream is full: {full}; {idle:?}")),
            }
        })
        .await;
}

/// Little fits into the derived stream of that shard, or nothing.
async fn is_full(system: &System, shard: usize) -> Result<bool> {
    let client = async_nats::connect(system.stack.nats_url()).await?;
    let stream = jetstream::new(client).get_stream(derived(shard)).await?;
    let info = stream.cached_info();
    Ok(info.state.bytes * 10 >= u64::try_from(info.config.max_bytes)? * 9)
}

async fn must_be_trimmed(trial: &mut Trial, shard: usize) {
    trial
        .must("the log is trimmed past what is owed", FULL_WITHIN, async |system| {
            match is_trimmed(system, shard).await {
                Ok(true) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
}

/// Whether some other shard's log does not have the first orders any more that it owes something of.
async fn is_trimmed(system: &System, shard: usize) -> Result<bool> {
    let client = async_nats::connect(system.stack.nats_url()).await?;
    let jetstream = jetstream::new(client);
    for source in (0..system.stack.postgres_count()).filter(|&source| source != shard) {
        let through: u64 = system.sql(source, &format!("{THROUGH}{shard}")).await?.trim().parse()?;
        let stream = jetstream.get_stream(stream_name(StreamKind::Logged.on(ShardId(source as u16)))).await?;
        if stream.cached_info().state.first_sequence > through + 1 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The other shards go on storing orders.
async fn must_store_elsewhere(trial: &mut Trial, shard: usize) -> Result<()> {
    const STORED: &str = "select rows_stored from lane_tally where lane = 'orders'";
    for other in (0..trial.system.stack.postgres_count()).filter(|&other| other != shard) {
        let before = trial.system.sql(other, STORED).await?;
        trial
            .must("other shards store orders", WITHIN, async |system| match system.sql(other, STORED).await {
                Ok(after) if after != before => Ok(()),
                after => Err(format!("{after:?} as before")),
            })
            .await;
    }
    Ok(())
}
