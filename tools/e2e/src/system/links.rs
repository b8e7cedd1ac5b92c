//! Every way from a service to a server, each through a proxy of its own.

use anyhow::Result;
use forebay_stack::{Server, ServiceName, Stack};
use forebay_testkit::{Mode, Proxy};

/// The proxies between the services and the servers.
#[derive(Debug)]
pub struct Links(Vec<Link>);

type Link = (ServiceName, Server, Proxy);

impl Links {
    /// A proxy for each way, with everything passing.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn of(stack: &Stack) -> Result<Self> {
        let mut links = Vec::new();
        for (part, server) in ways(stack) {
            links.push((part, server, Proxy::to(port_of(stack, server)).await?));
        }
        Ok(Self(links))
    }

    /// Adds the ways to a replica, the first of all: the addresses of its shard are then two.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn add_replica(&mut self, of_shard: usize, port: u16) -> Result<()> {
        for part in [ServiceName::Writer, ServiceName::Query] {
            let is_primary = |(p, server, _): &Link| (*p, *server) == (part, Server::Postgres(of_shard));
            let place = self.0.iter().position(is_primary).map_or(self.0.len(), |place| place + 1);
            self.0.insert(place, (part, Server::Replica(0), Proxy::to(port).await?));
        }
        Ok(())
    }

    /// The settings by which a service goes through the proxies.
    pub fn env(&self, part: ServiceName) -> Vec<(String, String)> {
        let mut shards: Vec<String> = Vec::new();
        let mut env = Vec::new();
        for (_, server, proxy) in self.0.iter().filter(|(other, ..)| *other == part) {
            let address = format!("127.0.0.1:{}", proxy.port());
            match server {
                Server::Nats => env.push(("FOREBAY_NATS".to_owned(), format!("nats://{address}"))),
                Server::Redis => env.push(("FOREBAY_REDIS".to_owned(), format!("redis://{address}"))),
                Server::Postgres(_) => shards.push(format!("postgres://forebay@{address}/forebay")),
                // It stands behind its primary.
                Server::Replica(_) => {
                    if let Some(addresses) = shards.last_mut() {
                        addresses.extend(["|postgres://forebay@", &address, "/forebay"]);
                    }
                }
            }
        }
        if !shards.is_empty() {
            env.push(("FOREBAY_SHARDS".to_owned(), shards.join(",")));
        }
        env
    }

    /// Changes what happens on the way from a service to a server.
    pub fn set(&self, part: ServiceName, server: Server, mode: Mode) {
        for (_, _, proxy) in self.0.iter().filter(|(p, s, _)| (*p, *s) == (part, server)) {
            proxy.set(mode);
        }
    }

    /// Changes what happens on every way of a service.
    pub fn set_all(&self, part: ServiceName, mode: Mode) {
        self.0.iter().filter(|(p, ..)| *p == part).for_each(|(.., proxy)| proxy.set(mode));
    }

    /// Lets everything pass everywhere.
    pub fn heal(&self) {
        self.0.iter().for_each(|(_, _, proxy)| proxy.set(Mode::Pass));
    }

    /// Every way.
    pub fn ways(&self) -> Vec<(ServiceName, Server)> {
        self.0.iter().map(|&(part, server, _)| (part, server)).collect()
    }

    /// How many connections from a service to a server are open that have lost something in a black hole.
    pub fn lossy(&self, part: ServiceName, server: Server) -> usize {
        self.0.iter().filter(|(p, s, _)| (*p, *s) == (part, server)).map(|(.., proxy)| proxy.lossy()).sum()
    }

    /// The port by which a service goes to each of its servers.
    pub fn ports(&self, part: ServiceName) -> impl Iterator<Item = (Server, u16)> {
        self.0.iter().filter(move |(p, ..)| *p == part).map(|(_, server, proxy)| (*server, proxy.port()))
    }

    /// How many connections are open, on all ways together.
    pub fn open(&self) -> usize {
        self.0.iter().map(|(_, _, proxy)| proxy.open()).sum()
    }
}

/// Who goes where.
fn ways(stack: &Stack) -> Vec<(ServiceName, Server)> {
    let mut ways = vec![
        (ServiceName::Ingest, Server::Nats),
        (ServiceName::Writer, Server::Nats),
        (ServiceName::Query, Server::Nats),
        (ServiceName::Query, Server::Redis),
    ];
    for shard in (0..stack.postgres_count()).map(Server::Postgres) {
        ways.extend([(ServiceName::Writer, shard), (ServiceName::Query, shard)]);
    }
    ways
}

fn port_of(stack: &Stack, server: Server) -> u16 {
    let config = stack.config();
    match server {
        Server::Nats => config.nats_port,
        Server::Redis => config.redis_port,
        Server::Postgres(shard) | Server::Replica(shard) => config.postgres_ports[shard],
    }
}
