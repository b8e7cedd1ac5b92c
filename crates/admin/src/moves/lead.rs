//! Which process moves what leaves a shard. Where two do it nothing goes wrong, but everything is copied twice.

use std::time::Duration;

use anyhow::{Context, Error, Result};
use forebay_shard::ShardPool;
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::time::{sleep, timeout};

const MOVES_LOCK: i64 = 0x666f_7265_0003;
/// How often it is looked whether the lead is still held.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The lead of a shard's moves, held for as long as its connection lives.
#[derive(Debug)]
pub struct Lead(PgConnection);

impl Lead {
    /// Takes it, where no other process has it.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn take(pool: &ShardPool) -> Result<Option<Self>> {
        let mut lease = pool.acquire().await?.cut_unless_done();
        let lock = sqlx::query_scalar("select pg_try_advisory_lock($1)").bind(MOVES_LOCK);
        let is_taken: bool = lock.fetch_one(&mut *lease).await?;
        if is_taken {
            return Ok(Some(Self(lease.detach())));
        }
        lease.done();
        Ok(None)
    }

    /// Ends when it is lost.
    pub async fn lost(&mut self) -> Error {
        loop {
            sleep(LOOK_EVERY).await;
            let answer = timeout(LOOK_EVERY, self.0.ping()).await;
            if let Err(error) = answer.context("the shard does not answer").and_then(|answer| Ok(answer?)) {
                return error;
            }
        }
    }
}
