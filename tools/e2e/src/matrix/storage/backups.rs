//! A shard that is restored from a backup: its position goes back, and the log catches it up.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;
use forebay_stack::Server;

use crate::matrix::disk::{place_of, run};
use crate::matrix::trial::Trial;

/// Copies the shard's data, lets the load go on, and puts the copy back.
pub(crate) async fn restore(trial: &mut Trial, shard: usize) -> Result<()> {
    let server = Server::Postgres(shard);
    let place = place_of(&trial.system, server);
    let backup = place.with_extension("backup");
    // Stopped in order, so that the copy is of one moment.
    trial.system.stack.stop_server(server).await;
    run(Command::new("cp").arg("-a").arg(&place).arg(&backup))?;
    trial.system.stack.restart(server).await?;
    let then = stored(trial, shard).await?;
    trial.must_work_again(Instant::now(), Duration::from_secs(30)).await;
    tokio::time::sleep(trial.span.of(3, 30)).await;
    if stored(trial, shard).await? <= then {
        trial.add_finding("nothing was stored that the backup lacks");
    }
    trial.system.stack.kill(server).await;
    std::fs::remove_dir_all(&place)?;
    std::fs::rename(&backup, &place)?;
    trial.injected += 1;
    trial.system.stack.restart(server).await
}

async fn stored(trial: &Trial, shard: usize) -> Result<u64> {
    let sql = "select coalesce(sum(rows_stored), 0)::int8 from lane_position";
    Ok(trial.system.stack.sql(shard, sql).await?.trim().parse()?)
}
