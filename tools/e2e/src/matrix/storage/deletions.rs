//! A stream of what was logged that is deleted: loud, told exactly, and over after one command.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use async_nats::jetstream;
use forebay_api::streams::{DrainState, StreamReport};
use forebay_model::{ShardId, StreamKind};
use forebay_stack::ServiceName;

use crate::load::ledger::Entry;
use crate::matrix::ask::{figure, streams};
use crate::matrix::trial::{Target, Trial};
use crate::system::settled::stream_name;

const LOGGED: StreamKind = StreamKind::Logged;
const WITHIN: Duration = Duration::from_secs(30);

/// Deletes the stream of a shard's orders while some are nowhere else, and lets its writer go on without them.
pub(crate) async fn delete(trial: &mut Trial, shard: usize) -> Result<()> {
    let writer = Target::Service(ServiceName::Writer);
    trial.kill(writer).await;
    trial.work(1500..3000).await;
    let client = async_nats::connect(trial.system.stack.nats_url()).await.context("cannot reach NATS")?;
    let jetstream = jetstream::new(client);
    let name = stream_name(LOGGED.on(ShardId(shard as u16)));
    let looked_at = Instant::now();
    let only_there = marks_behind_position(trial, &jetstream, shard, &name).await?;
    jetstream.delete_stream(&name).await?;
    trial.injected += 1;
    let deleted_at = Instant::now();
    must_be_refused(trial, shard, deleted_at).await;
    // Until there is a stream again, whatever is accepted was logged in the old one.
    let before_migration = Instant::now();
    trial.system.forebay(&["migrate"], b"").await?.ok()?;
    let map = trial.system.map();
    let is_gone = |mark: &String, entry: &Entry| {
        let accepted_at = entry.accepted_at.filter(|at| *at < before_migration);
        let is_there = entry.made.shard(&map) == Some(shard);
        accepted_at.is_some_and(|at| is_there && (only_there.contains(mark) || at >= looked_at))
    };
    let entries = trial.ledger.entries();
    trial.known.may_be_lost =
        entries.iter().filter(|(mark, entry)| is_gone(mark, entry)).map(|(mark, _)| mark.clone()).collect();
    if trial.known.may_be_lost.is_empty() {
        trial.add_finding("there was nothing in the stream that was not stored");
    }
    trial.start_again(writer).await?;
    must_halt(trial, shard).await?;
    accept(trial, shard).await
}

/// The marks of the orders that are in the log and in no table.
async fn marks_behind_position(
    trial: &Trial,
    jetstream: &jetstream::Context,
    shard: usize,
    name: &str,
) -> Result<HashSet<String>> {
    let sql = format!("select stream_seq from stream_position where stream = '{LOGGED}'");
    let position: u64 = trial.system.stack.sql(shard, &sql).await?.trim().parse()?;
    let stream = jetstream.get_stream(name).await?;
    let mut marks = HashSet::new();
    for seq in position + 1..=stream.cached_info().state.last_sequence {
        let payload = stream.get_raw_message(seq).await?.payload;
        // The attributes of an order are JSON as it was sent.
        let text = String::from_utf8_lossy(&payload).into_owned();
        marks.extend(text.split("\"mark\":").skip(1).filter_map(|rest| rest.split('"').nth(1)).map(str::to_owned));
    }
    Ok(marks)
}

/// Orders that are logged there are refused, others are accepted.
async fn must_be_refused(trial: &mut Trial, shard: usize, since: Instant) {
    let writes = trial.writes.clone();
    trial
        .must("orders of the stream are refused, and others accepted", WITHIN, async |_| {
            let answers = writes.asked_between(since, Instant::now());
            let there = answers.iter().any(|answer| answer.shards.contains(&shard) && answer.status == Some(503));
            let elsewhere = answers.iter().any(|answer| !answer.shards.contains(&shard) && answer.is_good());
            if there && elsewhere { Ok(()) } else { Err(format!("{} answers", answers.len())) }
        })
        .await;
}

/// The stream's writer says that it stands still, and the others go on.
async fn must_halt(trial: &mut Trial, shard: usize) -> Result<()> {
    trial
        .must("the stream halts, and only that", WITHIN, async |system| {
            let streams = streams(system).await.map_err(|error| error.to_string())?;
            let is_it = |stream: &StreamReport| stream.stream == LOGGED && usize::from(stream.shard.0) == shard;
            let wanted = |stream: &StreamReport| if is_it(stream) { DrainState::Halted } else { DrainState::Draining };
            match streams.iter().find(|stream| stream.state != wanted(stream)) {
                None if streams.iter().any(is_it) => Ok(()),
                stream => Err(format!("{stream:?}")),
            }
        })
        .await;
    let url = trial.system.url(ServiceName::Writer, "");
    if figure(&trial.system, &url, "forebay_writer_halted", "").await? != Some(1.0) {
        trial.add_finding("the metrics of the writer do not say that one stream has halted");
    }
    let log = std::fs::read_to_string(trial.system.stack.log("writer"))?;
    if !log.lines().any(|line| line.contains("ERROR") && line.contains("the log is not the one that was read so far")) {
        trial.add_finding("the writer's log has no ERROR");
    }
    Ok(())
}

/// The one command: first it tells what is lost and changes nothing, then the stream is drained.
async fn accept(trial: &mut Trial, shard: usize) -> Result<()> {
    let shard_text = shard.to_string();
    let command = ["log", "accept-loss", LOGGED.as_str(), &shard_text, "--json"];
    let told = trial.system.forebay(&command, b"").await?;
    if told.code != Some(1) || told.json()?["loss"].is_null() {
        trial.add_finding(format!("the loss is not told: {:?} {} {}", told.code, told.stdout, told.stderr));
    }
    trial.work(500..1000).await;
    must_halt(trial, shard).await?;
    let done = trial.system.forebay(&[&command[..], &["--yes"]].concat(), b"").await?;
    ensure!(done.code == Some(0), "the loss cannot be accepted: {} {}", done.stdout, done.stderr);
    trial.must_drain(WITHIN).await;
    Ok(())
}
