//! Several Redis servers that stand for one: a primary and its replica with sentinels over them, or a cluster. For tests.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use tokio::time::Instant;

use crate::home::Home;
use crate::ports::on_free_ports;
use crate::process::Process;
use crate::server::NAME;
use crate::server::installed::Installed;
use crate::server::redis::{Role, Wanted, ask, managed};
use crate::server::secrets::Secrets;

const SETTLED_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// How many slots a cluster has.
const SLOTS: usize = 16384;
/// How many nodes a cluster has here.
const NODES: usize = 3;

/// Several Redis servers that stand for one, in a temporary directory. They go when this value goes.
pub struct RedisGroup {
    // Dropped in this order: first the processes, then the directory that they work in.
    servers: Vec<(Process, u16)>,
    sentinels: Vec<(Process, u16)>,
    secrets: Option<Secrets>,
    _home: Home,
}

impl RedisGroup {
    /// A primary, which is server 0, its replica, which is server 1, and three sentinels. They call the primary `forebay`, and put the
    /// replica in its place when it has not answered for one and a half seconds.
    ///
    /// # Errors
    /// As [`Stack::start`](crate::Stack::start).
    pub async fn with_sentinels(secured: bool) -> Result<Self> {
        on_free_ports(5, |ports| async move {
            let maker = Maker::new(secured)?;
            let primary = ports[0];
            let servers = vec![
                maker.start(0, "server", primary, Role::Primary).await?,
                maker.start(1, "server", ports[1], Role::Replica { primary }).await?,
            ];
            // Each is ready when it knows the others.
            let sentinel =
                |number: usize| maker.start(number, "sentinel", ports[number + 2], Role::Sentinel { primary });
            let (first, second, third) = tokio::try_join!(sentinel(0), sentinel(1), sentinel(2))?;
            Ok(maker.group(servers, vec![first, second, third]))
        })
        .await
    }

    /// A cluster of three nodes that have a third of the slots each, and no replicas.
    ///
    /// # Errors
    /// As [`Stack::start`](crate::Stack::start).
    pub async fn cluster(secured: bool) -> Result<Self> {
        on_free_ports(2 * NODES, |ports| async move {
            let maker = Maker::new(secured)?;
            let mut servers = Vec::new();
            for (number, &port) in ports[..NODES].iter().enumerate() {
                let bus = ports[NODES + number];
                servers.push(maker.start(number, "node", port, Role::Node { bus }).await?);
            }
            let group = maker.group(servers, Vec::new());
            for number in 0..NODES {
                let (first, end) = (number * SLOTS / NODES, (number + 1) * SLOTS / NODES);
                group.ask(number, &format!("CLUSTER ADDSLOTSRANGE {first} {}", end - 1)).await?;
                group.ask(number, &format!("CLUSTER MEET 127.0.0.1 {} {}", ports[0], ports[NODES])).await?;
            }
            for number in 0..NODES {
                group.settled(number, "CLUSTER INFO", "cluster_state:ok").await?;
                group.settled(number, "CLUSTER INFO", &format!("cluster_size:{NODES}")).await?;
            }
            Ok(group)
        })
        .await
    }

    /// The address of all of them together.
    pub fn url(&self) -> String {
        let (scheme, user) =
            if self.secrets.is_some() { ("rediss", format!("{NAME}@")) } else { ("redis", String::new()) };
        let hosts = |of: &[(Process, u16)]| {
            let hosts: Vec<_> = of.iter().map(|(_, port)| format!("127.0.0.1:{port}")).collect();
            hosts.join(",")
        };
        match &self.sentinels[..] {
            [] => format!("{scheme}+cluster://{user}{}", hosts(&self.servers)),
            sentinels => format!("{scheme}+sentinel://{user}{}/{NAME}", hosts(sentinels)),
        }
    }

    /// What servers ask for, where they ask for anything. Sentinels ask for the same.
    pub fn secrets(&self) -> Option<&Secrets> {
        self.secrets.as_ref()
    }

    /// The flags by which a program finds them, and comes in.
    pub fn flags(&self) -> Vec<String> {
        let mut flags = vec!["--redis".to_owned(), self.url()];
        if let Some(secrets) = &self.secrets {
            let password = secrets.path("redis-password").display().to_string();
            flags.extend(["--redis-ca".to_owned(), secrets.path("ca.pem").display().to_string()]);
            flags.extend(["--redis-password-file".to_owned(), password.clone()]);
            if !self.sentinels.is_empty() {
                flags.extend(["--redis-sentinel-user".to_owned(), NAME.to_owned()]);
                flags.extend(["--redis-sentinel-password-file".to_owned(), password]);
            }
        }
        flags
    }

    /// The address of one of the servers.
    pub fn server_url(&self, number: usize) -> String {
        let port = self.servers[number].1;
        if self.secrets.is_some() {
            format!("rediss://{NAME}@127.0.0.1:{port}")
        } else {
            format!("redis://127.0.0.1:{port}")
        }
    }

    /// How many servers there are.
    pub fn servers(&self) -> usize {
        self.servers.len()
    }

    /// The process of a server: faults.
    pub fn server(&self, number: usize) -> &Process {
        &self.servers[number].0
    }

    /// What a server answers to a command, as it is sent.
    ///
    /// # Errors
    /// When it does not answer, or says that it will not.
    pub async fn ask(&self, number: usize, command: &str) -> Result<String> {
        let answer = ask(self.servers[number].1, self.secrets.as_ref(), command).await?;
        ensure!(!answer.contains("-ERR"), "{command}: {answer}");
        Ok(answer)
    }

    /// Asks a server until its answer has that in it.
    ///
    /// # Errors
    /// What it says in the end, when it has not for long.
    pub async fn settled(&self, number: usize, command: &str, wanted: &str) -> Result<()> {
        let deadline = Instant::now() + SETTLED_WITHIN;
        loop {
            let answer = self.ask(number, command).await;
            if answer.as_ref().is_ok_and(|answer| answer.contains(wanted)) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("server {number} does not say {wanted} to {command}, but {answer:?}");
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// What the servers of a group have in common.
struct Maker {
    installed: Installed,
    secrets: Option<Secrets>,
    home: Home,
}

impl Maker {
    fn new(secured: bool) -> Result<Self> {
        let (installed, home) = (Installed::find()?, Home::temporary()?);
        let secrets = secured.then(|| Secrets::of(&home)).transpose()?;
        Ok(Self { installed, secrets, home })
    }

    async fn start(&self, number: usize, what: &str, port: u16, role: Role) -> Result<(Process, u16)> {
        let wanted = Wanted {
            name: format!("Redis {what} {number}"),
            file_name: format!("redis-{what}-{number}"),
            port,
            role,
            secrets: self.secrets.as_ref(),
        };
        Ok((Process::start(managed(&self.home, &self.installed, wanted)?).await?, port))
    }

    fn group(self, servers: Vec<(Process, u16)>, sentinels: Vec<(Process, u16)>) -> RedisGroup {
        RedisGroup { servers, sentinels, secrets: self.secrets, _home: self.home }
    }
}
