//! A shard's server is lost for good, and its replica takes its place without the last commits.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use forebay_model::StreamKind;
use forebay_stack::Server;

use crate::matrix::trial::Trial;

const REPLICA: Server = Server::Replica(0);
const WITHIN: Duration = Duration::from_secs(30);
/// How far a shard's streams have come.
const POSITIONS: &str = "select stream || ' ' || stream_seq from stream_position order by stream";

/// Lets the replica miss commits, kills the primary, and promotes the replica.
pub(crate) async fn promote(trial: &mut Trial, shard: usize) -> Result<()> {
    trial
        .must("the replica follows", WITHIN, async |system| {
            let seen = system.stack.replica_sql(0, "select sum(stream_seq) from stream_position").await;
            let seen = seen.map_err(|error| error.to_string())?;
            if seen.trim().parse::<u64>().is_ok_and(|seen| seen > 0) { Ok(()) } else { Err(seen) }
        })
        .await;
    trial.system.stack.stop_server(REPLICA).await;
    trial.work(2000..4000).await;
    let lost = positions(&trial.system.stack.sql(shard, POSITIONS).await?)?;
    trial.system.stack.kill(Server::Postgres(shard)).await;
    trial.injected += 1;
    trial.work(0..2000).await;
    trial.system.stack.restart(REPLICA).await?;
    trial.work(0..1000).await;
    let kept = positions(&trial.system.stack.replica_sql(0, POSITIONS).await?)?;
    if kept.len() != StreamKind::ALL.len() || kept.iter().zip(&lost).any(|(kept, lost)| kept >= lost) {
        trial.add_finding(format!("the replica was to miss commits of every stream, and is at {kept:?} of {lost:?}"));
    }
    trial.system.stack.replica_sql(0, "select pg_promote()").await?;
    trial.system.takes_the_place_of(0, shard);
    trial.must_work_again(Instant::now(), WITHIN).await;
    trial.must_drain(WITHIN).await;
    Ok(())
}

fn positions(rows: &str) -> Result<Vec<(String, u64)>> {
    let lines = rows.lines().filter(|line| !line.is_empty());
    let position = |line: &str| {
        let (stream, seq) = line.split_once(' ').context("a stream and its position")?;
        Ok((stream.to_owned(), seq.parse()?))
    };
    lines.map(position).collect()
}
