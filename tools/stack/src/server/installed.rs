//! Where the server programs are on this machine, and what to install when they are not.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

/// The oldest Postgres that a shard may be.
const POSTGRES_MIN: &[u32] = &[15];
/// The oldest NATS server whose acknowledgement can be made to mean "on disk".
const NATS_MIN: &[u32] = &[2, 10, 23];
/// Where `./dev` puts the NATS server that it installs, below the user's cache directory.
const NATS_IN_CACHE: &str = "forebay/nats-server";

/// The server programs.
#[derive(Clone, Debug)]
pub struct Installed {
    /// The directory of `postgres`, `initdb` and `psql`.
    pub postgres_bin: PathBuf,
    /// The `nats-server` program.
    pub nats: PathBuf,
    /// The `redis-server` program.
    pub redis: PathBuf,
}

impl Installed {
    /// Looks on `PATH`, in Debian's directories, and where `./dev` installs.
    ///
    /// # Errors
    /// One sentence that names everything that is missing and how to install it.
    pub fn find() -> Result<Self> {
        match (find_postgres(), find_nats(), on_path("redis-server").next()) {
            (Some(postgres_bin), Some(nats), Some(redis)) => Ok(Self { postgres_bin, nats, redis }),
            (postgres, nats, redis) => bail!(missing(postgres.is_none(), nats.is_none(), redis.is_none())),
        }
    }

    /// The `psql` that belongs to the Postgres server.
    pub fn psql(&self) -> PathBuf {
        self.postgres_bin.join("psql")
    }
}

fn missing(postgres: bool, nats: bool, redis: bool) -> String {
    let packages: Vec<&str> = [(postgres, "postgresql"), (redis, "redis-server")]
        .iter()
        .filter(|(gone, _)| *gone)
        .map(|&(_, name)| name)
        .collect();
    let mut ways = Vec::new();
    if !packages.is_empty() {
        ways.push(format!("`apt-get install {}` (Postgres must be 15 or newer)", packages.join(" ")));
    }
    if nats {
        ways.push("`./dev install` for nats-server 2.10.23 or newer".to_owned());
    }
    format!("servers are missing; install them with {}", ways.join(", and "))
}

/// The newest of the Postgres on `PATH` and those in Debian's directories that brings `initdb` and `psql` as well.
fn find_postgres() -> Option<PathBuf> {
    let on_path = on_path("postgres").filter_map(|program| Some(program.canonicalize().ok()?.parent()?.to_owned()));
    let packaged = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(Vec<u32>, PathBuf)> = on_path
        .chain(packaged.map(|version| version.path().join("bin")))
        .filter(|bin| ["postgres", "initdb", "psql"].iter().all(|name| is_program(&bin.join(name))))
        .filter_map(|bin| Some((version(&bin.join("postgres"))?, bin)))
        .filter(|(version, _)| version.as_slice() >= POSTGRES_MIN)
        .collect();
    found.sort();
    found.pop().map(|(_, bin)| bin)
}

/// The first NATS server that is new enough: on `PATH`, else the one that `./dev` installed.
fn find_nats() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let cache = cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    on_path("nats-server")
        .chain(cache.map(|dir| dir.join(NATS_IN_CACHE)))
        .find(|program| is_program(program) && version(program).is_some_and(|version| version.as_slice() >= NATS_MIN))
}

fn on_path(name: &'static str) -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
    dirs.into_iter().map(move |dir| dir.join(name)).filter(|program| program.is_absolute() && is_program(program))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn version(program: &Path) -> Option<Vec<u32>> {
    let output = Command::new(program).arg("--version").output().ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

/// The first number of the form `1.2.3` in what a program says of itself; what stands behind it (`beta1`) is left out.
fn parse_version(text: &str) -> Option<Vec<u32>> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let number = text[start..].split(|c: char| c != '.' && !c.is_ascii_digit()).next()?;
    number.trim_end_matches('.').split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_servers_print() {
        assert_eq!(parse_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(vec![15, 18]));
        assert_eq!(parse_version("postgres (PostgreSQL) 19beta1"), Some(vec![19]));
        assert_eq!(parse_version("nats-server: v2.15.1\n"), Some(vec![2, 15, 1]));
        assert_eq!(parse_version("no number"), None);
    }

    #[test]
    fn old_servers_do_not_count() {
        assert!(parse_version("nats-server: v2.9.10").expect("a version").as_slice() < NATS_MIN);
        assert!(parse_version("nats-server: v2.10.22").expect("a version").as_slice() < NATS_MIN);
        assert!(parse_version("postgres (PostgreSQL) 14.9").expect("a version").as_slice() < POSTGRES_MIN);
        assert!(parse_version("postgres (PostgreSQL) 15.0").expect("a version").as_slice() >= POSTGRES_MIN);
    }

    #[test]
    fn one_sentence_names_all_that_is_missing() {
        assert_eq!(
            missing(true, true, true),
            "servers are missing; install them with `apt-get install postgresql redis-server` (Postgres must be 15 or \
             newer), and `./dev install` for nats-server 2.10.23 or newer"
        );
    }
}
