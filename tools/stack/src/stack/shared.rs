//! The servers that all tests of a run share.
//!
//! `forebay-stack run -- COMMAND` starts them once and names them in the environment; a test that is run without it
//! starts them for its own process. Tests keep out of each other's way by taking databases and prefixes of their own.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use tokio::sync::OnceCell;

use super::Stack;
use crate::ports::random;
use crate::server::NAME;
use crate::server::postgres::{self, Durability};
use crate::server::psql::Psql;

/// The variable that names the running shared servers.
pub const TEST_STACK_VARIABLE: &str = "FOREBAY_TEST_STACK";
/// How many Postgres servers are shared.
pub const SHARED_POSTGRES: usize = 3;

static SHARED: OnceCell<Shared> = OnceCell::const_new();
static TAKEN: AtomicU32 = AtomicU32::new(0);

/// The addresses of the shared servers.
pub struct Shared {
    postgres_ports: Vec<u16>,
    nats_port: u16,
    redis_port: u16,
    psql: Psql,
    /// Where this process has started them itself. Nothing drops a static: the kernel ends them with this process.
    _own: Option<Stack>,
}

/// The servers of this test run.
///
/// # Panics
/// With one sentence, when they are not running and cannot be started: a test cannot go on without them.
pub async fn shared() -> &'static Shared {
    SHARED
        .get_or_init(async || find_or_start().await.unwrap_or_else(|error| panic!("no servers for tests: {error:#}")))
        .await
}

impl Shared {
    /// The address of the database `forebay` of a server. Tests of a run share it; see [`Shared::create_databases`].
    pub fn postgres_url(&self, server: usize) -> String {
        postgres::url(self.postgres_ports[server], NAME)
    }

    /// The address of NATS.
    pub fn nats_url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.nats_port)
    }

    /// The address of Redis.
    pub fn redis_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.redis_port)
    }

    /// Makes `count` new, empty databases, spread over the servers in turn, and gives their addresses.
    ///
    /// # Panics
    /// When a database cannot be made.
    pub async fn create_databases(&self, count: usize, hint: &str) -> Vec<String> {
        let prefix = self.unique_prefix(hint).replace('-', "_");
        let mut urls = Vec::with_capacity(count);
        for index in 0..count {
            let port = self.postgres_ports[index % self.postgres_ports.len()];
            let name = format!("{prefix}_{index}");
            let statement = format!("create database \"{name}\" template template0");
            self.psql
                .sql(port, "postgres", &statement)
                .await
                .unwrap_or_else(|error| panic!("cannot make the database {name}: {error:#}"));
            urls.push(postgres::url(port, &name));
        }
        urls
    }

    /// Makes one new, empty database and gives its address.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn create_database(&self, hint: &str) -> String {
        self.create_databases(1, hint).await.swap_remove(0)
    }

    /// A name that no other test has, starting with `hint`: lower-case letters, digits and `-`, at most 40 characters.
    pub fn unique_prefix(&self, hint: &str) -> String {
        let hint: String = hint.to_lowercase().chars().filter(char::is_ascii_alphanumeric).take(20).collect();
        let taken = TAKEN.fetch_add(1, Ordering::Relaxed);
        format!("t{hint}-{:016x}", random(taken))
    }

    /// Runs one statement in the database of an address that [`Shared::create_databases`] gave; columns come back
    /// separated by `|`.
    ///
    /// # Errors
    /// What `psql` says.
    pub async fn sql(&self, url: &str, statement: &str) -> Result<String> {
        let (port, database) = parse_url(url).with_context(|| format!("not an address of this stack: {url}"))?;
        self.psql.sql(port, database, statement).await
    }
}

/// The value of [`TEST_STACK_VARIABLE`] for a running stack.
pub(crate) fn describe(postgres_ports: &[u16], nats_port: u16, redis_port: u16, psql: &Path) -> String {
    let ports: Vec<String> = postgres_ports.iter().map(u16::to_string).collect();
    format!("postgres={} nats={nats_port} redis={redis_port} psql={}", ports.join(","), psql.display())
}

impl Stack {
    /// The variable and its value by which tests in a child process find this stack: see [`shared()`].
    pub fn test_env(&self) -> (String, String) {
        let config = self.config();
        let psql = self.installed().psql();
        let value = describe(&config.postgres_ports, config.nats_port, config.redis_port, &psql);
        (TEST_STACK_VARIABLE.to_owned(), value)
    }
}

async fn find_or_start() -> Result<Shared> {
    if let Ok(text) = std::env::var(TEST_STACK_VARIABLE) {
        return parse(&text).with_context(|| format!("{TEST_STACK_VARIABLE} does not name servers: {text}"));
    }
    let stack = Stack::temporary(SHARED_POSTGRES, Durability::Fast).await?;
    let config = stack.config();
    Ok(Shared {
        postgres_ports: config.postgres_ports.clone(),
        nats_port: config.nats_port,
        redis_port: config.redis_port,
        psql: Psql::new(stack.installed().psql(), None),
        _own: Some(stack),
    })
}

fn parse(text: &str) -> Option<Shared> {
    let (ports, psql) = text.split_once(" psql=")?;
    let mut fields = ports.split(' ');
    let postgres = fields.next()?.strip_prefix("postgres=")?;
    let postgres_ports = postgres.split(',').map(|port| port.parse().ok()).collect::<Option<Vec<u16>>>()?;
    let nats_port = fields.next()?.strip_prefix("nats=")?.parse().ok()?;
    let redis_port = fields.next()?.strip_prefix("redis=")?.parse().ok()?;
    Some(Shared { postgres_ports, nats_port, redis_port, psql: Psql::new(psql, None), _own: None })
}

fn parse_url(url: &str) -> Option<(u16, &str)> {
    let (port, database) = url.split_once("@127.0.0.1:")?.1.split_once('/')?;
    Some((port.parse().ok()?, database))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_wrapper_writes_a_test_reads() {
        let text = describe(&[1, 2, 3], 4, 5, Path::new("/a path/psql"));
        let shared = parse(&text).expect("its own text");
        assert_eq!((shared.postgres_ports, shared.nats_port, shared.redis_port), (vec![1, 2, 3], 4, 5));
        assert_eq!(shared.psql, Psql::new("/a path/psql", None));
        assert!(parse("").is_none() && parse("postgres= nats=1 redis=2 psql=x").is_none());
    }

    #[test]
    fn an_address_names_port_and_database() {
        assert_eq!(parse_url(&postgres::url(5440, "tx_1")), Some((5440, "tx_1")));
        assert_eq!(parse_url("postgres://elsewhere/x"), None);
    }
}
