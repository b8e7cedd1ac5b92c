//! A shard that is restored from a backup: its positions go back, and the log catches it up. It is a source and a target of what is
//! derived: it derives some again, and where its derived stream has been trimmed meanwhile, others derive everything for it again.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use async_nats::jetstream;
use forebay_stack::Server;

use super::targets::{begun_anew, derived, must_begin_anew};
use crate::matrix::disk::{place_of, run};
use crate::matrix::trial::Trial;

/// Copies the shard's data, lets the load go on, and puts the copy back.
pub(crate) async fn restore(trial: &mut Trial, shard: usize) -> Result<()> {
    let backup = Backup::make(trial, shard).await?;
    backup.put_back(trial).await
}

/// The same, and meanwhile the shard's derived stream loses what is stored: as trimming does after some hours.
pub(crate) async fn restore_trimmed(trial: &mut Trial, shard: usize) -> Result<()> {
    let backup = Backup::make(trial, shard).await?;
    let before = begun_anew(&trial.system, shard).await?;
    let client = async_nats::connect(trial.system.stack.nats_url()).await.context("cannot reach NATS")?;
    let stream = jetstream::new(client).get_stream(derived(shard)).await?;
    let position = "select stream_seq from stream_position where stream = 'derived'";
    let position = trial.system.sql(shard, position).await?.trim().parse()?;
    stream.purge().sequence(position).await?;
    backup.put_back(trial).await?;
    must_begin_anew(trial, shard, before).await;
    Ok(())
}

struct Backup {
    shard: usize,
}

impl Backup {
    /// Stopped in order, so that the copy is of one moment. The shard has stored more when this is done.
    async fn make(trial: &mut Trial, shard: usize) -> Result<Self> {
        let server = Server::Postgres(shard);
        let place = place_of(&trial.system, server);
        trial.system.stack.stop_server(server).await;
        run(Command::new("cp").arg("-a").arg(&place).arg(place.with_extension("backup")))?;
        trial.system.stack.restart(server).await?;
        let then = stored(trial, shard).await?;
        trial.must_work_again(Instant::now(), Duration::from_secs(30)).await;
        tokio::time::sleep(trial.span.of(3, 30)).await;
        let now = stored(trial, shard).await?;
        if then.iter().zip(&now).any(|(then, now)| now <= then) {
            trial.add_finding(format!("of some lane nothing was stored that the backup lacks: {then:?}, {now:?}"));
        }
        Ok(Self { shard })
    }

    async fn put_back(self, trial: &mut Trial) -> Result<()> {
        let server = Server::Postgres(self.shard);
        let place = place_of(&trial.system, server);
        trial.system.stack.kill(server).await;
        std::fs::remove_dir_all(&place)?;
        std::fs::rename(place.with_extension("backup"), &place)?;
        trial.injected += 1;
        trial.system.stack.restart(server).await
    }
}

/// Rows of each lane.
async fn stored(trial: &Trial, shard: usize) -> Result<Vec<u64>> {
    let rows = trial.system.stack.sql(shard, "select rows_stored from lane_tally order by lane").await?;
    rows.lines().filter(|line| !line.is_empty()).map(|line| Ok(line.trim().parse()?)).collect()
}
