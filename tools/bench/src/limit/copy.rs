//! COPY into the tables, one session a shard, in transactions of 10,000 rows; and COPY out of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use forebay_model::Lane;
use forebay_model::tuple::{COPY_HEADER, COPY_TRAILER};
use futures::TryStreamExt;
use memchr::memchr_iter;
use sqlx::{Connection, Executor, PgConnection};
use tokio::task::JoinSet;

use crate::dataset::{Batch, Dataset};
use crate::servers::{SERVERS, Servers};
use crate::world::{Plan, databases, drop_databases, url};

/// A message to the server; larger ones are no faster.
const CHUNK_BYTES: usize = 64 * 1024;

/// Copies orders into empty databases of a plan, and says how many orders a second that were.
///
/// # Errors
/// What Postgres says.
pub async fn into_empty(servers: &Servers, plan: &Plan, dataset: &Arc<Dataset>) -> Result<f64> {
    let copies = databases(servers, &servers.new_name(), &plan.template, SERVERS).await?;
    let urls: Vec<String> = copies.iter().map(|(server, database)| url(servers, *server, database)).collect();
    servers.settle().await?;
    let took = into(&urls, dataset).await?;
    drop_databases(servers, &copies).await?;
    Ok(dataset.recipe.orders as f64 / took.as_secs_f64())
}

/// Copies orders into the shards at these addresses, and says how long the slowest took.
///
/// # Errors
/// What Postgres says.
pub async fn into(urls: &[String], dataset: &Arc<Dataset>) -> Result<Duration> {
    let mut sessions = Vec::new();
    for url in urls {
        sessions.push(PgConnection::connect(url).await?);
    }
    let begin = Instant::now();
    let mut running = JoinSet::new();
    for (shard, session) in sessions.into_iter().enumerate() {
        running.spawn(one_shard(session, Arc::clone(dataset), shard));
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(begin.elapsed())
}

async fn one_shard(mut session: PgConnection, dataset: Arc<Dataset>, shard: usize) -> Result<()> {
    for batch in &dataset.shards[shard] {
        session.execute("begin").await?;
        copy(&mut session, batch).await?;
        session.execute("commit").await?;
    }
    Ok(session.close().await?)
}

async fn copy(session: &mut PgConnection, batch: &Batch) -> Result<()> {
    copy_to(session, batch.lane.table(), batch).await
}

/// Copies a transaction's rows into a table with the columns of their lane.
pub(super) async fn copy_to(session: &mut PgConnection, table: &str, batch: &Batch) -> Result<()> {
    let columns: Vec<&str> = columns(batch.lane).collect();
    let statement = format!("copy {table} ({}) from stdin (format binary)", columns.join(", "));
    let mut copy = session.copy_in_raw(&statement).await?;
    copy.send(COPY_HEADER).await?;
    for chunk in batch.tuples.chunks(CHUNK_BYTES) {
        copy.send(chunk).await?;
    }
    copy.send(COPY_TRAILER).await?;
    let rows = copy.finish().await?;
    ensure!(rows == batch.rows, "{rows} rows were copied instead of {}", batch.rows);
    Ok(())
}

/// The columns of a lane's table.
pub(super) fn columns(lane: Lane) -> impl Iterator<Item = &'static str> {
    lane.columns().iter().map(|column| column.name)
}

/// Copies all orders of the shards at these addresses out, side by side, and gives rows and seconds.
///
/// # Errors
/// What Postgres says.
pub async fn out(urls: &[String]) -> Result<(u64, Duration)> {
    let begin = Instant::now();
    let shards = futures::future::try_join_all(urls.iter().map(|url| out_of_one(url))).await?;
    Ok((shards.iter().sum(), begin.elapsed()))
}

/// Text has a line for each row, and line feeds nowhere else.
async fn out_of_one(url: &str) -> Result<u64> {
    let statement = "copy (select order_id, customer_id, ordered_at, kind, currency, total, items, attributes from orders) to stdout";
    let mut session = PgConnection::connect(url).await?;
    let mut rows = 0;
    let mut chunks = session.copy_out_raw(statement).await?;
    while let Some(chunk) = chunks.try_next().await? {
        rows += memchr_iter(b'\n', &chunk).count() as u64;
    }
    drop(chunks);
    session.close().await?;
    Ok(rows)
}
