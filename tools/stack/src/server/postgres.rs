//! A Postgres server of a shard: how its cluster is made or copied, started and asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use super::NAME;
use super::installed::Installed;
use super::psql::Psql;
use super::secrets::Secrets;
use crate::home::Home;
use crate::process::Managed;
use crate::process::family::kill_leftovers;
use crate::process::program::{Program, output};
use crate::process::ready::Ready;
use crate::process::signal::Signal;

/// What Postgres promises of a commit. NATS always acknowledges after fsync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Postgres as it comes: a commit is on disk.
    Real,
    /// `fsync=off` and the like: only for tests that do not test durability.
    Fast,
}

/// What tests that do not test durability may switch off.
const WITHOUT_DURABILITY: [(&str, &str); 3] =
    [("fsync", "off"), ("synchronous_commit", "off"), ("full_page_writes", "off")];

/// A server, as it is asked for.
pub(crate) struct Wanted<'a> {
    /// What people call it.
    pub(crate) name: String,
    /// What its directory and its log are called.
    pub(crate) file_name: String,
    /// The port of the server that it follows; `None` for one that follows nobody.
    pub(crate) follows: Option<u16>,
    pub(crate) port: u16,
    pub(crate) durability: Durability,
    pub(crate) settings: &'a [(String, String)],
    pub(crate) secrets: Option<&'a Secrets>,
}

/// Makes the cluster where there is none, and says how to run it.
pub(crate) async fn managed(home: &Home, installed: &Installed, wanted: &Wanted<'_>) -> Result<Managed> {
    let file_name = wanted.file_name.as_str();
    if !home.servers().join(file_name).join("PG_VERSION").exists() {
        make(home, installed, wanted).await.with_context(|| format!("cannot make {}", wanted.name))?;
    }
    let data = home.server_dir(file_name)?;
    let mut program = Program::new(installed.postgres_bin.join("postgres"))
        .dir(&data)
        .account(home.account().cloned())
        .bare_environment()
        .arg("-D")
        .arg(&data);
    for (name, value) in settings(wanted) {
        program = program.arg("-c").arg(format!("{name}={value}"));
    }
    let ready = ready(data.clone(), Psql::new(installed.psql(), wanted.secrets), wanted.port);
    let mut managed = Managed::new(wanted.name.clone(), program, home.log(file_name), ready).on_port(wanted.port);
    // Interrupt is a fast shutdown; Quit ends sessions and frees shared memory even if nobody is left to ask in order.
    managed.stop_signal = Signal::Interrupt;
    managed.on_parent_death = Signal::Quit;
    managed.before_start = Some(Arc::new(move || put_away_the_dead(&data)));
    Ok(managed)
}

/// Makes the database `forebay` where there is none, and gives its user the password of the secrets.
pub(crate) async fn ensure_database(psql: &Psql, port: u16, secrets: Option<&Secrets>) -> Result<()> {
    let found = psql.sql(port, "postgres", &format!("select 1 from pg_database where datname = '{NAME}'")).await?;
    if found.trim().is_empty() {
        psql.sql(port, "postgres", &format!("create database {NAME} template template0")).await?;
    }
    match secrets {
        None => Ok(()),
        Some(secrets) => psql.file(port, "postgres", &secrets.path("postgres.sql")).await,
    }
}

/// The address of a database of a shard.
pub(crate) fn url(port: u16, database: &str) -> String {
    format!("postgres://{NAME}@127.0.0.1:{port}/{database}")
}

/// The cluster is made under another name first, so that one that was cut short is never taken for a whole one.
async fn make(home: &Home, installed: &Installed, wanted: &Wanted<'_>) -> Result<()> {
    let unfinished = format!("{}.new", wanted.file_name);
    let _ = std::fs::remove_dir_all(home.servers().join(&unfinished));
    let dir = home.server_dir(&unfinished)?;
    let mut program = match wanted.follows {
        None => Program::new(installed.postgres_bin.join("initdb")).args([
            "--username",
            NAME,
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
        ]),
        // It notes in the copy whom to follow, and that it follows.
        Some(port) => Program::new(installed.postgres_bin.join("pg_basebackup"))
            .args(["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-password"])
            .args(["--host=127.0.0.1".to_owned(), format!("--port={port}"), format!("--username={NAME}")]),
    };
    // A new cluster can be made again: losing it in a power cut costs something only where it is to be found again.
    if home.is_temporary() {
        program = program.arg("--no-sync");
    }
    let program = program.dir(&dir).account(home.account().cloned()).bare_environment();
    output(&program.arg("-D").arg(&dir)).await?;
    let data = home.servers().join(&wanted.file_name);
    std::fs::rename(&dir, &data).with_context(|| format!("cannot make {}", data.display()))
}

fn settings(wanted: &Wanted<'_>) -> Vec<(String, String)> {
    let port = wanted.port.to_string();
    let fixed = [
        ("port", port.as_str()),
        ("listen_addresses", "127.0.0.1"),
        // Loopback is enough, and the path of a socket must be short, which a clone's need not be.
        ("unix_socket_directories", ""),
        ("max_connections", "300"),
        // The default is for machines of long ago: with it, the indexes of ten million orders do not stay in memory.
        ("shared_buffers", "512MB"),
        ("max_wal_size", "4GB"),
        // Files of the log of this size are written again instead of made anew, which takes a seventh of the time of filling tables.
        ("min_wal_size", "1GB"),
    ];
    let fast = if wanted.durability == Durability::Fast { &WITHOUT_DURABILITY[..] } else { &[] };
    let fixed = fixed.iter().chain(fast).map(|&(name, value)| (name.to_owned(), value.to_owned()));
    let secured = wanted.secrets.map(Secrets::postgres).unwrap_or_default();
    let secured = secured.into_iter().map(|(name, value)| (name.to_owned(), value));
    fixed.chain(secured).chain(wanted.settings.iter().cloned()).collect()
}

/// Ready when the server's own pid file says so, and a session on its port gets an answer.
fn ready(data: PathBuf, psql: Psql, port: u16) -> Ready {
    Ready::new(move |pid| {
        let (pid_file, psql) = (data.join("postmaster.pid"), psql.clone());
        async move {
            let text = tokio::fs::read_to_string(&pid_file).await.context("it has not written its pid file")?;
            let mut lines = text.lines();
            ensure!(lines.next() == Some(pid.to_string().as_str()), "its pid file names another process");
            ensure!(lines.nth(6).map(str::trim) == Some("ready"), "it is starting");
            psql.sql(port, "postgres", "select 1").await.map(drop)
        }
    })
}

/// Sessions that outlived a killed server hold its shared memory, and its pid file may name a process of today.
///
/// Only the holder of the directory's lock gets here, with the server stopped, so both are of the past.
fn put_away_the_dead(data: &Path) {
    kill_leftovers(data);
    let _ = std::fs::remove_file(data.join("postmaster.pid"));
}
