//! The servers together: start, addresses, faults, stop.

mod config;
mod replica;
pub(crate) mod shared;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use tokio::task::JoinSet;

pub use config::StackConfig;

use crate::home::Home;
use crate::ports::{PortInUse, is_taken, on_free_ports};
use crate::process::Process;
use crate::process::family::kill_leftovers;
use crate::server::installed::Installed;
use crate::server::postgres::Durability;
use crate::server::{Server, nats, postgres, redis};

/// Running servers. [`Stack::stop`] stops them in order; dropping it kills what is left.
pub struct Stack {
    // Dropped in this order: first the processes, then the directory that they work in.
    processes: Vec<(Server, Process)>,
    /// The port of each replica.
    replica_ports: Vec<u16>,
    config: StackConfig,
    installed: Installed,
    home: Arc<Home>,
}

impl Stack {
    /// Starts all servers at once, and returns when each of them answers.
    ///
    /// # Errors
    /// One sentence for what is missing on this machine, for [`PortInUse`], or for a directory that another running
    /// Forebay holds. What was started before the error is stopped.
    pub async fn start(config: StackConfig) -> Result<Self> {
        let installed = Installed::find()?;
        let home = Arc::new(Home::open(&config.dir)?);
        let processes = start_servers(&home, &installed, &config).await?;
        Ok(Self { processes, replica_ports: Vec::new(), config, installed, home })
    }

    /// Starts servers for a test: on free ports, in a temporary directory that goes when this value goes.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub async fn temporary(postgres: usize, durability: Durability) -> Result<Self> {
        let installed = Installed::find()?;
        let home = Arc::new(Home::temporary()?);
        let start = |ports: Vec<u16>| {
            let mut config = StackConfig::for_tests(&ports, durability);
            home.dir().clone_into(&mut config.dir);
            let (home, installed) = (Arc::clone(&home), installed.clone());
            async move {
                let processes = start_servers(&home, &installed, &config).await?;
                Ok(Self { processes, replica_ports: Vec::new(), config, installed, home })
            }
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
        postgres::url(self.config.postgres_ports[shard], postgres::NAME)
    }

    /// The number of Postgres servers.
    pub fn postgres_count(&self) -> usize {
        self.config.postgres_ports.len()
    }

    /// The address of NATS.
    pub fn nats_url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.config.nats_port)
    }

    /// The address of Redis.
    pub fn redis_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.config.redis_port)
    }

    /// The addresses of the shards, as settings name them.
    pub fn shards(&self) -> String {
        (0..self.postgres_count()).map(|shard| self.postgres_url(shard)).collect::<Vec<_>>().join(",")
    }

    /// The settings by which every Forebay program finds these servers.
    pub fn env(&self) -> Vec<(String, String)> {
        vec![
            ("FOREBAY_SHARDS".to_owned(), self.shards()),
            ("FOREBAY_NATS".to_owned(), self.nats_url()),
            ("FOREBAY_REDIS".to_owned(), self.redis_url()),
        ]
    }

    /// Runs one statement in a shard's database `forebay` and gives its rows, columns separated by `|`.
    ///
    /// # Errors
    /// What `psql` says.
    pub async fn sql(&self, shard: usize, statement: &str) -> Result<String> {
        postgres::sql(&self.installed.psql(), self.config.postgres_ports[shard], postgres::NAME, statement).await
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

async fn start_servers(
    home: &Arc<Home>,
    installed: &Installed,
    config: &StackConfig,
) -> Result<Vec<(Server, Process)>> {
    let shards = config.postgres_ports.iter().enumerate().map(|(shard, &port)| (Server::Postgres(shard), port));
    let others = [(Server::Nats, config.nats_port), (Server::Redis, config.redis_port)];
    let wanted: Vec<(Server, u16)> = shards.chain(others).collect();
    // All ports first, so that the usual mistake shows before anything is made or started.
    for &(server, port) in &wanted {
        if is_taken(port) {
            return Err(PortInUse { name: server.to_string(), port }.into());
        }
    }
    let mut starting = JoinSet::new();
    for (server, _) in wanted {
        let (home, installed, config) = (Arc::clone(home), installed.clone(), config.clone());
        starting.spawn(async move { Ok((server, start_server(server, &home, &installed, &config).await?)) });
    }
    let mut started = Vec::new();
    let mut first_error: Option<anyhow::Error> = None;
    while let Some(outcome) = starting.join_next().await {
        match outcome.unwrap_or_else(|failure| Err(anyhow!("starting a server failed: {failure}"))) {
            Ok(one) => started.push(one),
            Err(error) => {
                // The rest is in the way of the message, and of the next attempt.
                first_error.get_or_insert(error);
                starting.abort_all();
            }
        }
    }
    started.sort_by_key(|(server, _)| *server);
    let Some(error) = first_error else { return Ok(started) };
    drop(started);
    kill_leftovers(home.servers());
    Err(error)
}

async fn start_server(server: Server, home: &Home, installed: &Installed, config: &StackConfig) -> Result<Process> {
    match server {
        Server::Postgres(shard) => {
            let port = config.postgres_ports[shard];
            let wanted = postgres::Wanted {
                name: server.to_string(),
                file_name: format!("postgres-{shard}"),
                follows: None,
                port,
                durability: config.durability,
                settings: &config.postgres_settings,
            };
            let process = Process::start(postgres::managed(home, installed, &wanted).await?).await?;
            postgres::ensure_database(&installed.psql(), port).await?;
            Ok(process)
        }
        Server::Replica(_) => bail!("{server} cannot start before the server that it follows"),
        Server::Nats => {
            Process::start(nats::managed(home, installed, config.nats_port, config.nats_store_bytes_max)?).await
        }
        Server::Redis => Process::start(redis::managed(home, installed, config.redis_port)?).await,
    }
}
