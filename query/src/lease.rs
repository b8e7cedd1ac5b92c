//! A connection for the time of one statement.

use forebay_shard::{ShardPool, Unavailable};
use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnection;

/// A connection out of a pool. It goes back only where the statement's answer was read to its end. Any other (the
/// reader gave up, ran out of time, or met an error) is cut: a pool would first wait for the rest of the answer, and as long
/// as a server that has gone silent keeps that back, the pool would be one connection short.
pub(crate) struct Lease {
    connection: Option<PoolConnection<Postgres>>,
    is_done: bool,
}

impl Lease {
    pub(crate) async fn of(pool: &ShardPool) -> Result<Self, Unavailable> {
        Ok(Self { connection: Some(pool.acquire().await?), is_done: false })
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        self.connection.as_deref_mut().expect("only the drop takes it")
    }

    /// The answer was read to its end.
    pub(crate) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let connection = self.connection.take();
        if let Some(connection) = connection.filter(|_| !self.is_done) {
            drop(connection.detach());
        }
    }
}
