//! Room on the disk of a shard's server, where that can be seen: where the server is one of this machine.

use std::path::{Path, PathBuf};

use serde::Serialize;
use sqlx::Row;
use sqlx::postgres::PgConnection;

/// A disk that has less left than this is nearly full: merging a month holds its rows twice, and Postgres stops where it has no room for its log.
pub const FREE_MIN: u64 = 1 << 30;

/// What a shard's database takes, and what is left beside it. In bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Room {
    /// What the database takes.
    pub used: u64,
    /// What its disk has left; `null` where that cannot be seen from here.
    pub free: Option<u64>,
}

const SQL: &str = "select pg_database_size(current_database()) as bytes, \
    (select setting from pg_settings where name = 'data_directory') as data_directory, \
    extract(epoch from pg_postmaster_start_time())::float8 as started_s, inet_server_port() as port";

impl Room {
    /// Asks the server.
    pub async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let row = sqlx::query(SQL).fetch_one(connection).await?;
        let bytes: i64 = row.try_get("bytes")?;
        let directory: Option<String> = row.try_get("data_directory")?;
        let directory = local_directory(directory.as_deref(), row.try_get("port")?, row.try_get("started_s")?);
        Ok(Self { used: bytes.unsigned_abs(), free: directory.and_then(|directory| free_bytes(&directory)) })
    }

    /// Whether it is nearly full.
    pub fn is_scarce(&self) -> bool {
        self.free.is_some_and(|free| free < FREE_MIN)
    }
}

/// How many bytes a directory's disk has left; nothing where it cannot be told.
pub fn free_bytes(directory: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(directory).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// The data directory, where the server is one of this machine: its pid file says the same port and start.
pub(crate) fn local_directory(data_directory: Option<&str>, port: Option<i32>, started_s: f64) -> Option<PathBuf> {
    let directory = PathBuf::from(data_directory?);
    let pid_file = std::fs::read_to_string(directory.join("postmaster.pid")).ok()?;
    let mut lines = pid_file.lines().skip(2);
    let started: f64 = lines.next()?.trim().parse().ok()?;
    let listens: i32 = lines.next()?.trim().parse().ok()?;
    (port == Some(listens) && (started - started_s).abs() < 3.0).then_some(directory)
}
