//! The servers together: start, addresses, faults, stop.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use tokio::task::JoinSet;

use crate::home::Home;
use crate::installed::Installed;
use crate::kin::kill_leftovers;
use crate::ports::{PortInUse, free_ports, is_taken};
use crate::process::Process;
use crate::{nats, postgres, redis};

/// How often a start on free ports is tried when somebody else is faster on one of them.
pub(crate) const ATTEMPTS: usize = 10;
/// Each stream books its largest size in advance, and NATS refuses a stream beyond three quarters of the free disk
/// unless told otherwise. On a small disk that would refuse nine streams that will never be full at the same time.
const NATS_STORE_BYTES_MAX: u64 = 1 << 50;

/// One of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    /// The Postgres server of a shard, counted from 0.
    Postgres(usize),
    /// A further Postgres server that follows a shard's: see [`Stack::add_replica`]; counted from 0.
    Replica(usize),
    /// The NATS server.
    Nats,
    /// The Redis server.
    Redis,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(shard) => write!(f, "Postgres shard {shard}"),
            Self::Replica(replica) => write!(f, "Postgres replica {replica}"),
            Self::Nats => f.write_str("NATS"),
            Self::Redis => f.write_str("Redis"),
        }
    }
}

/// What Postgres promises of a commit. NATS always acknowledges after fsync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Postgres as it comes: a commit is on disk.
    Real,
    /// `fsync=off` and the like: only for tests that do not test durability.
    Fast,
}

/// What to start, and where.
#[derive(Clone, Debug)]
pub struct StackConfig {
    /// The directory for data and logs; made where there is none, and found again where there is one.
    pub dir: PathBuf,
    /// One Postgres server per port: shard 0, 1, 2 …
    pub postgres_ports: Vec<u16>,
    /// The port of NATS.
    pub nats_port: u16,
    /// The port of Redis.
    pub redis_port: u16,
    /// What Postgres promises of a commit.
    pub durability: Durability,
    /// Further settings of every Postgres server; the last one of a name counts.
    pub postgres_settings: Vec<(String, String)>,
    /// How many bytes all streams together may book on disk; by default more than there is, since each has a bound.
    pub nats_store_bytes_max: u64,
}

impl StackConfig {
    /// A configuration with real durability and nothing special.
    pub fn new(dir: impl Into<PathBuf>, postgres_ports: Vec<u16>, nats_port: u16, redis_port: u16) -> Self {
        Self {
            dir: dir.into(),
            postgres_ports,
            nats_port,
            redis_port,
            durability: Durability::Real,
            postgres_settings: Vec::new(),
            nats_store_bytes_max: NATS_STORE_BYTES_MAX,
        }
    }

    /// A configuration for tests, in a temporary directory and on free ports.
    fn for_tests(postgres: usize, durability: Durability) -> Self {
        let ports = free_ports(postgres + 2);
        let mut config = Self::new("", ports[2..].to_vec(), ports[0], ports[1]);
        config.durability = durability;
        config
    }
}

/// Running servers. [`Stack::stop`] stops them in order; dropping it kills what is left.
pub struct Stack {
    // Dropped in this order: first the processes, then the directory that they work in.
    pub(crate) processes: Vec<(Server, Process)>,
    /// The port of each replica.
    pub(crate) replica_ports: Vec<u16>,
    pub(crate) config: StackConfig,
    pub(crate) installed: Installed,
    pub(crate) home: Arc<Home>,
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
        let mut attempt = 1;
        loop {
            let mut config = StackConfig::for_tests(postgres, durability);
            home.dir().clone_into(&mut config.dir);
            match start_servers(&home, &installed, &config).await {
                Ok(processes) => {
                    return Ok(Self { processes, replica_ports: Vec::new(), config, installed, home });
                }
                Err(error) if error.is::<PortInUse>() && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        }
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

    /// The settings by which every Forebay program finds these servers.
    pub fn env(&self) -> Vec<(String, String)> {
        let shards: Vec<String> = (0..self.postgres_count()).map(|shard| self.postgres_url(shard)).collect();
        vec![
            ("FOREBAY_SHARDS".to_owned(), shards.join(",")),
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
