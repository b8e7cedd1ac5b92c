//! Room on the disk of a shard's server, where that can be seen: where the server is one of this machine.

use std::path::{Path, PathBuf};

use forebay_shard::database::Footprint;
use serde::Serialize;

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

impl Room {
    /// What a database takes, and what its disk has left beside it.
    pub(crate) fn of(footprint: &Footprint) -> Self {
        let directory = local_directory(footprint);
        Self { used: footprint.bytes, free: directory.and_then(|directory| free_bytes(&directory)) }
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
pub(crate) fn local_directory(of: &Footprint) -> Option<PathBuf> {
    let directory = PathBuf::from(of.data_directory.as_deref()?);
    let pid_file = std::fs::read_to_string(directory.join("postmaster.pid")).ok()?;
    let mut lines = pid_file.lines().skip(2);
    let started: f64 = lines.next()?.trim().parse().ok()?;
    let port: i32 = lines.next()?.trim().parse().ok()?;
    (of.port == Some(port) && (started - of.started_s).abs() < 3.0).then_some(directory)
}
