//! What `forebay up` and `forebay down` can be told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

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

    /// Ports of the Postgres servers, one for each shard
    #[arg(long, env = "FOREBAY_POSTGRES_PORTS", value_name = "PORTS", default_value = "5440,5441,5442")]
    pub postgres_ports: Ports,

    /// Port of NATS
    #[arg(long, env = "FOREBAY_NATS_PORT", value_name = "PORT", default_value_t = 4225)]
    pub nats_port: u16,

    /// Port of Redis
    #[arg(long, env = "FOREBAY_REDIS_PORT", value_name = "PORT", default_value_t = 6381)]
    pub redis_port: u16,

    /// Address that ingest listens on
    #[arg(long, env = "FOREBAY_INGEST_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub ingest_listen: SocketAddr,

    /// Address that query listens on
    #[arg(long, env = "FOREBAY_QUERY_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    pub query_listen: SocketAddr,

    /// Address that the writer listens on
    #[arg(long, env = "FOREBAY_WRITER_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8082")]
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

    #[test]
    fn ports_are_read() {
        assert_eq!("5440, 5441".parse(), Ok(Ports(vec![5440, 5441])));
        for text in ["", "0", "x", "5440,", "70000", "1,1"] {
            assert!(text.parse::<Ports>().is_err(), "{text}");
        }
    }
}
