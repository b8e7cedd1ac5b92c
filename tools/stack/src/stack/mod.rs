//! The servers together: start, addresses, faults, stop.

mod config;
mod redis_group;
mod replica;
pub(crate) mod shared;
mod starting;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use tokio::task::JoinSet;

pub use config::StackConfig;
pub use redis_group::RedisGroup;
use starting::start_servers;

use crate::home::Home;
use crate::ports::on_free_ports;
use crate::process::Process;
use crate::server::installed::Installed;
use crate::server::postgres::Durability;
use crate::server::psql::Psql;
use crate::server::secrets::Secrets;
use crate::server::{NAME, Server, postgres};

/// Running servers. [`Stack::stop`] stops them in order; dropping it kills what is left.
pub struct Stack {
    // Dropped in this order: first the processes, then the directory that they work in.
    processes: Vec<(Server, Process)>,
    /// The port of each replica.
    replica_ports: Vec<u16>,
    config: StackConfig,
    installed: Installed,
    /// What servers ask for, where they ask for anything.
    secrets: Option<Secrets>,
    home: Arc<Home>,
}

impl Stack {
    /// Starts all servers at once, and returns when each of them answers.
    ///
    /// # Errors
    /// One sentence for what is missing on this machine, for [`PortInUse`](crate::PortInUse), or for a directory that another running
    /// Forebay holds. What was started before the error is stopped.
    pub async fn start(config: StackConfig) -> Result<Self> {
        let installed = Installed::find()?;
        let home = Arc::new(Home::open(&config.dir)?);
        Self::start_in(home, installed, config).await
    }

    async fn start_in(home: Arc<Home>, installed: Installed, config: StackConfig) -> Result<Self> {
        let secrets = if config.secured { Some(Secrets::of(&home)?) } else { None };
        let processes = start_servers(&home, &installed, &config, secrets.as_ref()).await?;
        Ok(Self { processes, replica_ports: Vec::new(), config, installed, secrets, home })
    }

    /// Starts servers for a test: on free ports, in a temporary directory that goes when this value goes.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub async fn temporary(postgres: usize, durability: Durability) -> Result<Self> {
        Self::for_test(postgres, durability, false).await
    }

    /// The same, of servers that speak TLS alone, and ask who comes.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub async fn temporary_secured(postgres: usize, durability: Durability) -> Result<Self> {
        Self::for_test(postgres, durability, true).await
    }

    async fn for_test(postgres: usize, durability: Durability, secured: bool) -> Result<Self> {
        let installed = Installed::find()?;
        let home = Arc::new(Home::temporary()?);
        let start = |ports: Vec<u16>| {
            let mut config = StackConfig::for_tests(&ports, durability);
            home.dir().clone_into(&mut config.dir);
            config.secured = secured;
            Self::start_in(Arc::clone(&home), installed.clone(), config)
        };
        on_free_ports(postgres + 2, start).await
    }

    /// Stops all servers in order, at the same time; those that take too long are killed.
    pub async fn stop(&self) {
        let mut stopping = JoinSet::new();
        for process in self.processes() {
            stopping.spawn(async move { process.stop().await });
        }
        while stopping.join_next().await.is_some() {}
    }

    /// The address of a shard's database `forebay`.
    pub fn postgres_url(&self, shard: usize) -> String {
        let url = postgres::url(self.config.postgres_ports[shard], NAME);
        url + &self.secrets.as_ref().map(Secrets::of_postgres_url).unwrap_or_default()
    }

    /// The number of Postgres servers.
    pub fn postgres_count(&self) -> usize {
        self.config.postgres_ports.len()
    }

    /// The address of NATS.
    pub fn nats_url(&self) -> String {
        let scheme = if self.secrets.is_some() { "tls" } else { "nats" };
        format!("{scheme}://127.0.0.1:{}", self.config.nats_port)
    }

    /// The address of Redis.
    pub fn redis_url(&self) -> String {
        let port = self.config.redis_port;
        if self.secrets.is_some() {
            format!("rediss://{NAME}@127.0.0.1:{port}")
        } else {
            format!("redis://127.0.0.1:{port}")
        }
    }

    /// The addresses of the shards, as settings name them.
    pub fn shards(&self) -> String {
        (0..self.postgres_count()).map(|shard| self.postgres_url(shard)).collect::<Vec<_>>().join(",")
    }

    /// The settings by which every Forebay program finds these servers.
    pub fn env(&self) -> Vec<(String, String)> {
        let addresses =
            [("FOREBAY_SHARDS", self.shards()), ("FOREBAY_NATS", self.nats_url()), ("FOREBAY_REDIS", self.redis_url())];
        let addresses = addresses.map(|(name, value)| (name.to_owned(), value)).into_iter();
        addresses.chain(self.secrets.as_ref().map(Secrets::env).unwrap_or_default()).collect()
    }

    /// What servers ask for, where they ask for anything.
    pub fn secrets(&self) -> Option<&Secrets> {
        self.secrets.as_ref()
    }

    fn psql(&self) -> Psql {
        Psql::new(self.installed.psql(), self.secrets.as_ref())
    }

    /// Runs one statement in a shard's database `forebay` and gives its rows, columns separated by `|`.
    ///
    /// # Errors
    /// What `psql` says.
    pub async fn sql(&self, shard: usize, statement: &str) -> Result<String> {
        self.psql().sql(self.config.postgres_ports[shard], NAME, statement).await
    }

    /// What was started, and on which ports.
    pub fn config(&self) -> &StackConfig {
        &self.config
    }

    /// The programs that were started.
    pub fn installed(&self) -> &Installed {
        &self.installed
    }

    /// Where the servers' data is.
    pub fn data_dir(&self) -> &Path {
        self.home.servers()
    }

    /// The log file for a further process of this stack, beside the servers' own.
    pub fn log(&self, name: &str) -> PathBuf {
        self.home.log(name)
    }

    /// All servers' processes, to be watched over by [`crate::supervise()`].
    pub fn processes(&self) -> Vec<Process> {
        self.processes.iter().map(|(_, process)| process.clone()).collect()
    }

    /// One server's process: its pid, and faults.
    ///
    /// # Panics
    /// When the stack has no such shard.
    pub fn process(&self, server: Server) -> &Process {
        let found = self.processes.iter().find(|(this, _)| *this == server);
        &found.unwrap_or_else(|| panic!("this stack has no {server}")).1
    }

    /// Whether the server runs.
    pub fn is_alive(&self, server: Server) -> bool {
        self.process(server).is_alive()
    }

    /// Kills a server and its sessions at once (SIGKILL), and waits until it is gone.
    pub async fn kill(&self, server: Server) {
        self.process(server).kill().await;
    }

    /// Freezes a server with its sessions (SIGSTOP).
    pub fn pause(&self, server: Server) {
        self.process(server).pause();
    }

    /// Lets a frozen server go on (SIGCONT).
    pub fn resume(&self, server: Server) {
        self.process(server).resume();
    }

    /// Stops a server in order and leaves it stopped.
    pub async fn stop_server(&self, server: Server) {
        self.process(server).stop().await;
    }

    /// Starts a server again, after stopping it in order if it runs, and waits until it answers.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub async fn restart(&self, server: Server) -> Result<()> {
        self.process(server).restart().await
    }
}
