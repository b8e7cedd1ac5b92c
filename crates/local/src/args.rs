//! What `forebay up` and `forebay down` can be told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use forebay_api::Role;
use forebay_log::{FoundingArgs, LogName};

/// Start the local system: Postgres shards, NATS and Redis under one directory, and the three services on them.
///
/// It replays a sample of orders, reads some of them back, says where everything is, and runs until Ctrl-C. Whatever dies
/// meanwhile is started again. Data that is there is found again. The services take their further settings from the
/// environment.
#[derive(Debug, Clone, clap::Args)]
pub struct UpArgs {
    /// Return once everything is ready; `forebay down` stops it
    #[arg(long)]
    pub detach: bool,

    /// Servers and services speak TLS alone, and ask who comes; `. .forebay/secure.env` tells commands, curl and psql
    #[arg(long)]
    pub secure: bool,

    /// Where data and logs are.
    #[command(flatten)]
    pub home: HomeArgs,

    /// How many shards the system has; those that are missing are added. Where nothing is said, as many as there are, or as --postgres-ports
    /// names
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub shards: Option<u16>,

    /// Ports of the Postgres servers, one for each shard; those of further shards follow the last
    #[arg(long, env = "FOREBAY_POSTGRES_PORTS", value_name = "PORTS", default_value = "5440,5441,5442")]
    pub postgres_ports: Ports,

    /// Port of NATS
    #[arg(long, env = "FOREBAY_NATS_PORT", value_name = "PORT", default_value_t = 4225)]
    pub nats_port: u16,

    /// Port of Redis
    #[arg(long, env = "FOREBAY_REDIS_PORT", value_name = "PORT", default_value_t = 6381)]
    pub redis_port: u16,

    /// Address that ingest listens on
    #[arg(long, env = "FOREBAY_INGEST_LISTEN", value_name = "ADDRESS", default_value = Role::Ingest.listen_default())]
    pub ingest_listen: SocketAddr,

    /// Address that query listens on
    #[arg(long, env = "FOREBAY_QUERY_LISTEN", value_name = "ADDRESS", default_value = Role::Query.listen_default())]
    pub query_listen: SocketAddr,

    /// Address that the writer listens on
    #[arg(long, env = "FOREBAY_WRITER_LISTEN", value_name = "ADDRESS", default_value = Role::Writer.listen_default())]
    pub writer_listen: SocketAddr,

    /// What the names of streams and subjects begin with
    #[arg(long, env = "FOREBAY_LOG_PREFIX", value_name = "PREFIX", default_value = "forebay")]
    pub log_prefix: LogName,

    /// What the system is made with, when it is new.
    #[command(flatten)]
    pub founding: FoundingArgs,

    /// How many orders the sample has; 0 replays none
    #[arg(long, env = "FOREBAY_SAMPLE", value_name = "N", default_value_t = 10_000)]
    pub sample: u64,

    /// Token for replaying and reading the sample, where `FOREBAY_CLIENTS_FILE` makes the services ask for one
    #[arg(long, env = "FOREBAY_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub token: Option<String>,

    /// Set for the process in the background that --detach starts.
    #[arg(long, hide = true)]
    pub in_background: bool,
}

/// Stop the local system that `forebay up` has started.
#[derive(Debug, Clone, clap::Args)]
pub struct DownArgs {
    /// Where data and logs are.
    #[command(flatten)]
    pub home: HomeArgs,

    /// Also delete its data
    #[arg(long)]
    pub wipe: bool,
}

/// Where data and logs are.
#[derive(Debug, Clone, clap::Args)]
pub struct HomeArgs {
    /// Directory of data and logs
    #[arg(long = "home", env = "FOREBAY_HOME", value_name = "DIR", default_value = ".forebay")]
    pub dir: PathBuf,
}

impl UpArgs {
    /// The same, with a port for each shard, where the data of as many shards are there already.
    ///
    /// # Errors
    /// Where shards would be left out, or there is no port for one.
    pub(super) fn with_shards(mut self, found: usize) -> Result<Self, String> {
        let ports = &mut self.postgres_ports.0;
        let count = self.shards.map_or_else(|| found.max(ports.len()), usize::from);
        if count < found {
            return Err(format!(
                "--shards says {count}, and this system has {found}: no shard is taken out by that; leave --shards out"
            ));
        }
        ports.truncate(count);
        while ports.len() < count {
            let next = ports.iter().max().and_then(|last| last.checked_add(1));
            ports.push(next.ok_or("--postgres-ports: there is no port behind the last")?);
        }
        Ok(self)
    }
}

/// Ports, separated by commas; at least one, none twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports(pub Vec<u16>);

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let port = |text: &str| match text.trim().parse::<u16>() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(format!("{:?} is not a port", text.trim())),
        };
        let ports = text.split(',').map(port).collect::<Result<Vec<u16>, String>>()?;
        match ports.iter().enumerate().find(|(place, port)| ports[..*place].contains(port)) {
            Some((_, port)) => Err(format!("port {port} stands there twice")),
            None => Ok(Self(ports)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is there is found again, what is asked for besides is added, and nothing is left out.
    #[test]
    fn each_shard_has_a_port() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            up: UpArgs,
        }
        let ports = |flags: &[&str], found| {
            let up = <Line as clap::Parser>::try_parse_from([&["up"], flags].concat()).unwrap().up;
            up.with_shards(found).map(|up| up.postgres_ports.0)
        };
        assert_eq!(ports(&[], 0), Ok(vec![5440, 5441, 5442]));
        assert_eq!(ports(&[], 4), Ok(vec![5440, 5441, 5442, 5443]));
        assert_eq!(ports(&["--shards", "2"], 0), Ok(vec![5440, 5441]));
        assert_eq!(ports(&["--shards", "5", "--postgres-ports", "7,9"], 3), Ok(vec![7, 9, 10, 11, 12]));
        assert!(ports(&["--shards", "2"], 3).unwrap_err().starts_with("--shards says 2, and this system has 3"));
    }

    #[test]
    fn ports_are_read() {
        assert_eq!("5440, 5441".parse(), Ok(Ports(vec![5440, 5441])));
        for text in ["", "0", "x", "5440,", "70000", "1,1"] {
            assert!(text.parse::<Ports>().is_err(), "{text}");
        }
    }
}
