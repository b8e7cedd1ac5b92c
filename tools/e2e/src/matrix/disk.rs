//! A server's data on a disk of its own, small enough to be filled.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use forebay_stack::Server;

use crate::system::System;

/// A file that takes the room.
const BALLAST: &str = "ballast";
/// How often the room is measured and taken.
const ATTEMPTS: usize = 10;

/// A small file system below a server's data. It is taken away when this goes.
#[derive(Debug)]
pub(super) struct Disk {
    place: PathBuf,
}

/// Why no disk can be had, if that is so.
pub(super) fn obstacle() -> Option<String> {
    let output = Command::new("id").arg("-u").output().ok()?;
    let is_root = String::from_utf8_lossy(&output.stdout).trim() == "0";
    if is_root { None } else { Some("only root can mount a small file system".to_owned()) }
}

impl Disk {
    /// Stops a server, moves its data to a new disk of that size, and starts it there.
    pub(super) async fn under(system: &System, server: Server, mib: u32) -> Result<Self> {
        let place = place_of(system, server);
        system.stack.stop_server(server).await;
        let aside = place.with_extension("aside");
        std::fs::rename(&place, &aside)?;
        std::fs::create_dir(&place)?;
        let size = format!("size={mib}m");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&place))?;
        let disk = Self { place };
        run(Command::new("cp").arg("-a").arg(aside.join(".")).arg(&disk.place))?;
        std::fs::remove_dir_all(&aside)?;
        system.stack.restart(server).await?;
        Ok(disk)
    }

    /// Takes all but this much of the room that is left.
    pub(super) fn fill(&self, but_bytes: u64) -> Result<()> {
        // The server writes meanwhile, so there may be less room than there just was.
        (0..ATTEMPTS - 1).find_map(|_| self.take(but_bytes).ok()).map_or_else(|| self.take(but_bytes), Ok)
    }

    fn take(&self, but_bytes: u64) -> Result<()> {
        let output = Command::new("df").args(["--output=avail", "-B1"]).arg(&self.place).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let free: u64 = text.lines().last().unwrap_or_default().trim().parse().context("df gives no number")?;
        let bytes = free.saturating_sub(but_bytes).to_string();
        run(Command::new("fallocate").args(["-l", &bytes]).arg(self.ballast()))
    }

    /// Gives the room back.
    pub(super) fn empty(&self) -> Result<()> {
        std::fs::remove_file(self.ballast()).context("cannot give the room back")
    }

    fn ballast(&self) -> PathBuf {
        self.place.join(BALLAST)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A process that still uses it keeps it until then.
        let _ = run(Command::new("umount").arg("--lazy").arg(Path::new(&self.place)));
    }
}

/// Where a server's data is.
pub(super) fn place_of(system: &System, server: Server) -> PathBuf {
    system.stack.data_dir().join(match server {
        Server::Postgres(shard) => format!("postgres-{shard}"),
        _ => "nats".to_owned(),
    })
}

pub(super) fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
