//! The servers that everything is measured on.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use forebay_stack::{Durability, Stack};
use tempfile::TempDir;

/// How many Postgres servers there are; each is a shard, except where a row says otherwise.
pub const SERVERS: usize = 3;

/// How much each server's log has before anything is measured: a little more than the servers keep.
const LOG_MIB: usize = 1100;

/// Three Postgres, NATS and Redis, as durable as they come, and a place for files.
pub struct Servers {
    /// The servers.
    pub stack: Stack,
    dir: TempDir,
    made: AtomicU64,
}

impl Servers {
    /// Starts them.
    ///
    /// # Errors
    /// What did not start.
    pub async fn start() -> Result<Self> {
        let stack = Stack::temporary(SERVERS, Durability::Real).await?;
        let servers = Self { stack, dir: TempDir::with_prefix("forebay-bench-")?, made: AtomicU64::new(0) };
        // The files of Postgres' log are there to be written again, as on a server that has been at work for a while.
        // Otherwise what comes first would have to make them.
        let log = format!(
            "select count(pg_logical_emit_message(false, '', repeat('-', 1048576))) from generate_series(1, {LOG_MIB})"
        );
        servers.on_each(&log).await?;
        servers.settle().await?;
        Ok(servers)
    }

    /// A name that nothing else of this run has.
    pub fn new_name(&self) -> String {
        format!("bench{}", self.made.fetch_add(1, Ordering::Relaxed))
    }

    /// A path for a file that goes with this value.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Lets every server write what it has in memory, so that each measurement begins with a clean disk.
    ///
    /// # Errors
    /// What `psql` says.
    pub async fn settle(&self) -> Result<()> {
        self.on_each("checkpoint").await
    }

    async fn on_each(&self, statement: &str) -> Result<()> {
        let servers = (0..SERVERS).map(|server| self.stack.sql(server, statement));
        futures::future::try_join_all(servers).await.map(drop)
    }
}
