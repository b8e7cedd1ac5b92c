//! Two writers: one that waits until the other is gone, and two that both believe that they lead.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use forebay_api::streams::{DrainState, StreamReport};
use forebay_stack::ServiceName;
use rand::RngExt;

use crate::matrix::ask::{figure, streams, streams_of};
use crate::matrix::trial::Trial;

/// How long it may take until the other writer has taken every stream.
const TAKEN_WITHIN: Duration = Duration::from_secs(15);
/// Ends the sessions by which writers hold their lead, as the death of a machine would; those of transactions stay.
const END_LEADS: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
    where application_name like 'forebay-writer%lead'";
/// Ends all of their sessions.
const END_ALL: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
    where application_name like 'forebay-writer%'";
/// What a writer counts when it finds that another one has moved its position.
const FENCED: (&str, &str) = ("forebay_writer_errors_total", "class=\"fenced\"");

/// The writer that leads is killed, again and again; the other one takes over.
pub(crate) async fn kill(trial: &mut Trial) -> Result<()> {
    let writers = start_both(trial).await?;
    for round in 0..trial.span.rounds() {
        let (leader, other) = (round % 2, (round + 1) % 2);
        trial.work(500..2000).await;
        writers[leader].kill().await;
        trial.injected += 1;
        must_all_be(trial, other, DrainState::Draining).await;
        must_store(trial).await?;
        writers[leader].ensure_started().await?;
        must_all_be(trial, leader, DrainState::Standby).await;
    }
    Ok(())
}

/// The writer that leads is frozen, and loses its lead meanwhile; then it goes on as if nothing had been.
pub(crate) async fn freeze(trial: &mut Trial) -> Result<()> {
    let writers = start_both(trial).await?;
    for round in 0..trial.span.rounds() {
        let (leader, other) = (round % 2, (round + 1) % 2);
        trial.work(500..2000).await;
        writers[leader].pause();
        trial.injected += 1;
        let taken = take_over(trial, other, round).await;
        writers[leader].resume();
        taken?;
        must_be_led_once(trial).await;
    }
    // Whether it finds first that its lead is gone, or that the position has moved, is chance.
    Ok(())
}

/// A transaction that is frozen keeps its locks, so the other one gets ahead only where that has ended, too.
async fn take_over(trial: &mut Trial, other: usize, round: usize) -> Result<()> {
    let is_all = round % 2 == 1;
    end_sessions(trial, if is_all { END_ALL } else { END_LEADS }).await?;
    must_have_led(trial, other).await;
    if is_all { must_store(trial).await } else { Ok(()) }
}

/// The lead is taken away again and again while both run, so that now the one and now the other believes that it has it.
pub(crate) async fn two(trial: &mut Trial) -> Result<()> {
    start_both(trial).await?;
    let end = Instant::now() + trial.span.of(5, 20);
    while Instant::now() < end {
        end_sessions(trial, END_LEADS).await?;
        trial.injected += 1;
        let pause = trial.rng.random_range(100..1500);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    must_be_led_once(trial).await;
    must_store(trial).await?;
    must_have_been_fenced(trial).await
}

/// Starts a second writer, which stands by.
async fn start_both(trial: &mut Trial) -> Result<Vec<forebay_stack::Process>> {
    trial.system.start_another(ServiceName::Writer, &[]).await?;
    must_all_be(trial, 1, DrainState::Standby).await;
    Ok(trial.system.processes(ServiceName::Writer))
}

async fn end_sessions(trial: &Trial, sessions: &str) -> Result<()> {
    for shard in 0..trial.system.stack.postgres_count() {
        trial.system.stack.sql(shard, sessions).await?;
    }
    Ok(())
}

/// Waits until each stream is drained by one writer, and the other one stands by.
async fn must_be_led_once(trial: &mut Trial) {
    trial
        .must("one writer leads in each stream, and one stands by", TAKEN_WITHIN, async |system| {
            let streams = streams(system).await.map_err(|error| error.to_string())?;
            for stream in &streams {
                let is_it = |other: &&StreamReport| (other.stream, other.shard) == (stream.stream, stream.shard);
                let states: Vec<DrainState> = streams.iter().filter(is_it).map(|stream| stream.state).collect();
                let wanted = [DrainState::Draining, DrainState::Standby];
                if states.len() != wanted.len() || !wanted.iter().all(|state| states.contains(state)) {
                    return Err(format!("{states:?} in {stream:?}"));
                }
            }
            if streams.is_empty() { Err("no streams".to_owned()) } else { Ok(()) }
        })
        .await;
}

/// Waits until every stream of a writer is in that state.
async fn must_all_be(trial: &mut Trial, writer: usize, state: DrainState) {
    let what = format!("writer {writer} is {} in every stream", state.as_str());
    trial
        .must(&what, TAKEN_WITHIN, async |system| {
            let url = &system.urls(ServiceName::Writer)[writer];
            let streams = streams_of(system, url).await.map_err(|error| error.to_string())?;
            match streams.iter().find(|stream| stream.state != state) {
                None if !streams.is_empty() => Ok(()),
                stream => Err(format!("{stream:?}")),
            }
        })
        .await;
}

/// Waits until a writer has drained every stream, if not at one time: where it meets a lock it tries again.
async fn must_have_led(trial: &mut Trial, writer: usize) {
    let led = Mutex::new(BTreeSet::new());
    trial
        .must(&format!("writer {writer} has led in every stream"), TAKEN_WITHIN, async |system| {
            let url = &system.urls(ServiceName::Writer)[writer];
            let streams = streams_of(system, url).await.map_err(|error| error.to_string())?;
            let mut led = led.lock().unwrap_or_else(PoisonError::into_inner);
            let is_led = |stream: &&StreamReport| stream.state == DrainState::Draining;
            led.extend(streams.iter().filter(is_led).map(|stream| stream.stream.on(stream.shard)));
            match streams.iter().find(|stream| !led.contains(&stream.stream.on(stream.shard))) {
                None if !streams.is_empty() => Ok(()),
                stream => Err(format!("{stream:?}")),
            }
        })
        .await;
}

/// Waits until more is stored than now.
async fn must_store(trial: &mut Trial) -> Result<()> {
    const STORED: &str = "select coalesce(sum(rows_stored), 0)::int8 from lane_tally where lane = 'orders'";
    let before = trial.system.sum(STORED).await?;
    trial
        .must("orders are stored", TAKEN_WITHIN, async |system| match system.sum(STORED).await {
            Ok(after) if after > before => Ok(()),
            other => Err(format!("{other:?} instead of more than {before}")),
        })
        .await;
    Ok(())
}

/// Without that, the two have never come into each other's way.
async fn must_have_been_fenced(trial: &mut Trial) -> Result<()> {
    let mut fenced = 0.0;
    for url in trial.system.urls(ServiceName::Writer) {
        fenced += figure(&trial.system, &url, FENCED.0, FENCED.1).await?.unwrap_or_default();
    }
    if fenced < 1.0 {
        trial.add_finding("no writer has found that the other one had moved its position");
    }
    Ok(())
}
