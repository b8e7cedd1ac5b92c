//! Rows that are stored, compared with what they should be: COPY into a staging table and a join, one session a shard, in
//! transactions of 10,000 rows.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use forebay_model::Lane;
use futures::future::try_join_all;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::copy::{columns, copy_to};
use crate::dataset::Dataset;

/// Each staged row is looked up by its primary key.
const SETTINGS: &str = "set enable_hashjoin = off; set enable_mergejoin = off; set enable_seqscan = off; \
    set enable_bitmapscan = off; set enable_material = off";

/// Compares all rows of a dataset with what the shards at these addresses store, and says how many orders a second that were.
///
/// # Errors
/// What Postgres says, or where a row is not stored.
pub async fn stored(urls: &[String], dataset: &Arc<Dataset>) -> Result<f64> {
    let begin = Instant::now();
    try_join_all(urls.iter().enumerate().map(|(shard, url)| one_shard(url, dataset, shard))).await?;
    Ok(dataset.recipe.orders as f64 / begin.elapsed().as_secs_f64())
}

async fn one_shard(url: &str, dataset: &Dataset, shard: usize) -> Result<()> {
    let mut session = PgConnection::connect(url).await?;
    session.execute(SETTINGS).await?;
    for lane in Lane::ALL {
        let (staged, table) = (staged(lane), lane.table());
        let create = format!("create temporary table {staged} (like {table} including defaults) on commit delete rows");
        session.execute(AssertSqlSafe(create)).await?;
    }
    for batch in &dataset.shards[shard] {
        session.execute("begin").await?;
        copy_to(&mut session, &staged(batch.lane), batch).await?;
        let same: i64 = sqlx::query_scalar(AssertSqlSafe(same(batch.lane))).fetch_one(&mut session).await?;
        ensure!(same.unsigned_abs() == batch.rows, "{same} of {} rows are stored", batch.rows);
        session.execute("commit").await?;
    }
    Ok(session.close().await?)
}

fn staged(lane: Lane) -> String {
    format!("staged_{lane}")
}

/// How many staged rows are stored as they are.
fn same(lane: Lane) -> String {
    let same: Vec<String> = columns(lane).map(|column| format!("o.{column} = s.{column}")).collect();
    format!("select count(*) from {} s join {} o on {}", staged(lane), lane.table(), same.join(" and "))
}
