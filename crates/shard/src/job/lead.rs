//! Which process moves what leaves a shard. Where two do it nothing goes wrong, but everything is copied twice.

use std::time::Duration;

use forebay_model::ShardId;
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::time::{sleep, timeout};

use crate::pool::{ShardError, ShardPool};

const MOVES_LOCK: i64 = 0x666f_7265_0003;
/// How often it is looked whether the lead is still held.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The lead of a shard's moves, held for as long as its connection lives.
#[derive(Debug)]
pub struct MovesLead {
    shard: ShardId,
    connection: PgConnection,
}

impl MovesLead {
    /// Takes it, where no other process has it.
    ///
    /// # Errors
    /// Where the shard does not answer.
    pub async fn take(pool: &ShardPool) -> Result<Option<Self>, ShardError> {
        let shard = pool.shard();
        let mut lease = pool.acquire().await?.cut_unless_done();
        let lock = sqlx::query_scalar("select pg_try_advisory_lock($1)").bind(MOVES_LOCK);
        let is_taken: bool = lock.fetch_one(&mut *lease).await.map_err(|error| ShardError::Failed { shard, error })?;
        if is_taken {
            return Ok(Some(Self { shard, connection: lease.detach() }));
        }
        lease.done();
        Ok(None)
    }

    /// Ends when it is lost, with why.
    pub async fn lost(&mut self) -> ShardError {
        loop {
            sleep(LOOK_EVERY).await;
            match timeout(LOOK_EVERY, self.connection.ping()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return ShardError::Failed { shard: self.shard, error },
                Err(_late) => return ShardError::Slow { shard: self.shard, within: LOOK_EVERY },
            }
        }
    }
}
