//! The commands that are sent. Clones of a connection share it.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use futures::future::try_join_all;
use redis::aio::MultiplexedConnection;
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, cmd, pipe};

/// A connection. It is not made anew where it breaks: a server that sentinels have put another one in place of stays what it was.
#[derive(Clone)]
pub enum Connection {
    /// To one server.
    Server(MultiplexedConnection),
    /// To the nodes of a cluster.
    Cluster(ClusterConnection),
}

/// What is to be kept for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Where it is found again.
    pub name: String,
    /// What is kept.
    pub value: Vec<u8>,
    /// For how long, in seconds.
    pub keep_s: u64,
}

impl Connection {
    /// What is kept under a name.
    ///
    /// # Errors
    /// Where the server does not say, or not in time.
    pub async fn get(&mut self, name: &str) -> Result<Option<Bytes>, RedisError> {
        self.ask(cmd("GET").arg(name)).await
    }

    /// Keeps all of that, in one go as far as it goes to one server.
    ///
    /// # Errors
    /// Where something of it was not taken, or not in time.
    pub async fn put(&mut self, all: impl IntoIterator<Item = Put>) -> Result<(), RedisError> {
        let set = |Put { name, value, keep_s }| cmd("SET").arg(name).arg(value).arg("EX").arg(keep_s).take();
        let commands = all.into_iter().map(set);
        match self {
            Self::Server(connection) => {
                let mut pipeline = pipe();
                commands.for_each(|command| {
                    pipeline.add_command(command).ignore();
                });
                pipeline.query_async(connection).await
            }
            Self::Cluster(connection) => {
                let send = |command: Cmd| {
                    let mut connection = connection.clone();
                    async move { command.query_async::<()>(&mut connection).await }
                };
                try_join_all(commands.map(send)).await.map(drop)
            }
        }
    }

    /// Whether it serves: the server, or each node of the cluster, and the cluster as a whole.
    ///
    /// # Errors
    /// Where it does not.
    pub async fn ping(&mut self) -> Result<(), RedisError> {
        self.ask::<()>(&mut cmd("PING")).await?;
        if let Self::Cluster(_) = self {
            let info: String = self.ask(cmd("CLUSTER").arg("INFO")).await?;
            if !info.contains("cluster_state:ok") {
                return Err((ErrorKind::Io, "the cluster does not serve").into());
            }
        }
        Ok(())
    }

    /// What each server that holds something says of itself, by its address where there may be several.
    ///
    /// # Errors
    /// Where one does not.
    pub async fn info(&mut self) -> Result<BTreeMap<String, String>, RedisError> {
        match self {
            Self::Server(_) => Ok(BTreeMap::from([(String::new(), self.ask(&mut cmd("INFO")).await?)])),
            Self::Cluster(_) => self.ask(&mut cmd("INFO")).await,
        }
    }

    /// A server's clock: seconds, and microseconds of the next one.
    ///
    /// # Errors
    /// Where it does not say.
    pub async fn time(&mut self) -> Result<(i64, i64), RedisError> {
        self.ask(&mut cmd("TIME")).await
    }

    async fn ask<T: FromRedisValue>(&mut self, command: &mut Cmd) -> Result<T, RedisError> {
        match self {
            Self::Server(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server(_) => "Server",
            Self::Cluster(_) => "Cluster",
        })
    }
}
