//! How the servers of a stack are started: all at once, or none of them.

use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use tokio::task::JoinSet;

use super::StackConfig;
use crate::home::Home;
use crate::ports::{PortInUse, is_taken};
use crate::process::Process;
use crate::process::family::kill_leftovers;
use crate::server::installed::Installed;
use crate::server::psql::Psql;
use crate::server::secrets::Secrets;
use crate::server::{Server, nats, postgres, redis};

/// Starts all servers, and gives them in order when each of them answers.
pub(super) async fn start_servers(
    home: &Arc<Home>,
    installed: &Installed,
    config: &StackConfig,
    secrets: Option<&Secrets>,
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
        let (home, installed, config, secrets) =
            (Arc::clone(home), installed.clone(), config.clone(), secrets.cloned());
        starting.spawn(async move {
            Ok((server, start_server(server, &home, &installed, &config, secrets.as_ref()).await?))
        });
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

async fn start_server(
    server: Server,
    home: &Home,
    installed: &Installed,
    config: &StackConfig,
    secrets: Option<&Secrets>,
) -> Result<Process> {
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
                secrets,
            };
            let process = Process::start(postgres::managed(home, installed, &wanted).await?).await?;
            postgres::ensure_database(&Psql::new(installed.psql(), secrets), port, secrets).await?;
            Ok(process)
        }
        Server::Replica(_) => bail!("{server} cannot start before the server that it follows"),
        Server::Nats => {
            let managed = nats::managed(home, installed, config.nats_port, config.nats_store_bytes_max, secrets)?;
            Process::start(managed).await
        }
        Server::Redis => {
            let wanted = redis::Wanted {
                name: server.to_string(),
                file_name: "redis".to_owned(),
                port: config.redis_port,
                role: redis::Role::Server,
                secrets,
            };
            Process::start(redis::managed(home, installed, wanted)?).await
        }
    }
}
