//! Replicas: further Postgres servers, each of which follows a shard's by streaming replication.

use anyhow::{Result, ensure};

use super::Stack;
use crate::ports::on_free_ports;
use crate::process::Process;
use crate::server::postgres::{self, Wanted};
use crate::server::{NAME, Server};

impl Stack {
    /// Starts a replica of a shard: a hot standby that begins with a copy of everything, and follows asynchronously. It
    /// goes with the stack.
    ///
    /// # Errors
    /// When the shard's server does not run, or what the new one says.
    pub async fn add_replica(&mut self, shard: usize) -> Result<Server> {
        ensure!(self.secrets.is_none(), "a replica comes to its primary without a password");
        let server = Server::Replica(self.replica_ports.len());
        let started = on_free_ports(1, |ports| self.start_replica(server, shard, ports[0]));
        let (process, port) = started.await?;
        self.processes.push((server, process));
        self.replica_ports.push(port);
        Ok(server)
    }

    /// The address of the database `forebay` of a replica.
    pub fn replica_url(&self, replica: usize) -> String {
        postgres::url(self.replica_ports[replica], NAME)
    }

    /// Runs one statement in a replica's database `forebay` and gives its rows, columns separated by `|`.
    ///
    /// # Errors
    /// What `psql` says.
    pub async fn replica_sql(&self, replica: usize, statement: &str) -> Result<String> {
        self.psql().sql(self.replica_ports[replica], NAME, statement).await
    }

    async fn start_replica(&self, server: Server, shard: usize, port: u16) -> Result<(Process, u16)> {
        let wanted = Wanted {
            name: server.to_string(),
            file_name: format!("postgres-{shard}-replica-{}", self.replica_ports.len()),
            follows: Some(self.config.postgres_ports[shard]),
            port,
            durability: self.config.durability,
            settings: &self.config.postgres_settings,
            secrets: None,
        };
        Ok((Process::start(postgres::managed(&self.home, &self.installed, &wanted).await?).await?, port))
    }
}
