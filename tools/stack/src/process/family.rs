//! Which processes belong together.
//!
//! A Postgres server is a family: freezing or killing the postmaster alone leaves its sessions at work, so a fault that
//! should look like "this shard is gone" has to reach all of them.

use std::path::Path;
use std::time::{Duration, Instant};

use procfs::process::{Process, all_processes};

use super::signal::Signal;

/// Names of programs that a run may leave behind. A shell that somebody has open in a data directory is not touched.
const SERVERS: [&str; 4] = ["postgres", "initdb", "nats-server", "redis-server"];

/// The process and all its descendants, parents before children.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let stats = processes().filter_map(|process| process.stat().ok());
    let parents: Vec<(u32, u32)> = stats.map(|stat| (stat.pid as u32, stat.ppid as u32)).collect();
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        family.extend(parents.iter().filter(|&&(_, p)| p == parent).map(|&(child, _)| child));
        next += 1;
    }
    family
}

/// Freezes a whole family.
pub(crate) fn freeze(pid: u32) {
    hold(pid);
    for member in family(pid) {
        Signal::Stop.send(member);
    }
}

/// Lets a frozen family go on.
pub(crate) fn thaw(pid: u32) {
    for member in family(pid) {
        Signal::Continue.send(member);
    }
}

/// Kills a whole family, as a power cut would.
pub(crate) fn kill_all(pid: u32) {
    hold(pid);
    for member in family(pid) {
        Signal::Kill.send(member);
    }
}

/// Freezes the head of a family, so that it starts no more members while the others are being found. A signal takes
/// its time, above all while the disk is waited for; nobody waits for ever.
fn hold(pid: u32) {
    Signal::Stop.send(pid);
    let deadline = Instant::now() + Duration::from_secs(1);
    while matches!(state_of(pid), Some('R' | 'S' | 'D')) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Kills servers of an earlier run that still work below `dir`, and waits until they are gone.
///
/// The caller holds the lock of the directory, so nobody who is alive owns them.
pub(crate) fn kill_leftovers(dir: &Path) {
    let Ok(dir) = dir.canonicalize() else { return };
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let left = processes().filter(|process| is_server(process) && works_below(process, &dir));
        let left: Vec<u32> = left.map(|process| process.pid() as u32).collect();
        if left.is_empty() || Instant::now() > deadline {
            return;
        }
        for pid in left {
            Signal::Kill.send(pid);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Every process that may be looked at.
fn processes() -> impl Iterator<Item = Process> {
    all_processes().into_iter().flatten().flatten()
}

/// The state of a process as the kernel names it: `S` for waiting, `T` for frozen.
fn state_of(pid: u32) -> Option<char> {
    Some(Process::new(pid as i32).ok()?.stat().ok()?.state)
}

fn is_server(process: &Process) -> bool {
    process.stat().is_ok_and(|stat| SERVERS.contains(&stat.comm.as_str()))
}

fn works_below(process: &Process, dir: &Path) -> bool {
    process.cwd().is_ok_and(|cwd| cwd.starts_with(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_holds_grandchildren() {
        let mut shell =
            std::process::Command::new("sh").args(["-c", "sh -c 'sleep 60; true'; true"]).spawn().expect("sh");
        let deadline = Instant::now() + Duration::from_secs(10);
        while family(shell.id()).len() < 3 && Instant::now() < deadline {
            std::thread::yield_now();
        }
        let found = family(shell.id());
        kill_all(shell.id());
        shell.wait().expect("wait");
        assert_eq!(found.len(), 3, "sh, sh and sleep, not {found:?}");
        assert!(family(std::process::id()).contains(&std::process::id()));
    }
}
