//! CPU time, memory and output of processes.

use std::collections::BTreeMap;
use std::ops::{AddAssign, Sub};

use procfs::process::{Process, Stat, all_processes};
use serde::Serialize;

const KIB_PER_MIB: f64 = 1024.0;

/// CPU seconds by who used them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Cost(BTreeMap<String, f64>);

impl Cost {
    /// Adds seconds that somebody used.
    pub fn add(&mut self, who: &str, seconds: f64) {
        *self.0.entry(who.to_owned()).or_default() += seconds;
    }

    /// The seconds of everybody but one.
    pub fn without(&self, who: &str) -> f64 {
        self.0.iter().filter(|(name, _)| *name != who).map(|(_, seconds)| seconds).sum()
    }

    /// The part of one in all of it; 0 where nothing was used.
    pub fn part(&self, who: &str) -> f64 {
        let own = self.0.get(who).copied().unwrap_or_default();
        let all: f64 = self.0.values().sum();
        if all > 0.0 { own / all } else { 0.0 }
    }

    /// Everybody with their seconds.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(who, seconds)| (who.as_str(), *seconds))
    }
}

impl Sub for Cost {
    type Output = Self;

    fn sub(mut self, before: Self) -> Self {
        for (who, seconds) in before.0 {
            self.add(&who, -seconds);
        }
        self
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        for (who, seconds) in other.0 {
            self.add(&who, seconds);
        }
    }
}

/// The CPU seconds of a process and of its children, those that have ended and those that run.
pub fn cpu_seconds(pid: u32) -> f64 {
    let Some(own) = stat(pid) else { return 0.0 };
    let all = all_processes().into_iter().flatten().flatten();
    let children = all.filter_map(|process| process.stat().ok()).filter(|child| child.ppid == own.pid);
    with_ended_children(&own) + children.map(|child| seconds(child.utime + child.stime)).sum::<f64>()
}

/// The CPU seconds of this process and of its children that have ended.
pub fn own_cpu_seconds() -> f64 {
    stat(std::process::id()).map_or(0.0, |own| with_ended_children(&own))
}

/// The bytes that a process and its children have had written to the disk: what those wrote that have ended, Linux counts with the process.
pub fn written_bytes(pid: u32) -> u64 {
    let all = all_processes().into_iter().flatten().flatten();
    let children = all.filter(|process| process.stat().is_ok_and(|stat| stat.ppid == pid as i32));
    let own = Process::new(pid as i32).into_iter();
    own.chain(children).filter_map(|process| process.io().ok()).map(|io| io.write_bytes).sum()
}

/// The most memory that a process had resident so far, in 2²⁰ bytes.
pub fn peak_megabytes(pid: u32) -> Option<f64> {
    Some(Process::new(pid as i32).ok()?.status().ok()?.vmhwm? as f64 / KIB_PER_MIB)
}

fn stat(pid: u32) -> Option<Stat> {
    Process::new(pid as i32).ok()?.stat().ok()
}

fn with_ended_children(stat: &Stat) -> f64 {
    seconds(stat.utime + stat.stime) + seconds((stat.cutime + stat.cstime) as u64)
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / procfs::ticks_per_second() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_does_is_counted() {
        let before = own_cpu_seconds();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while own_cpu_seconds() - before < 0.05 {
            assert!(std::time::Instant::now() < end, "five seconds of work were not counted");
        }
        assert!(peak_megabytes(std::process::id()).unwrap() > 0.5);
    }

    #[test]
    fn a_part_is_of_everybody() {
        let mut cost = Cost::default();
        cost.add("load", 1.0);
        cost.add("writer", 2.0);
        let mut later = cost.clone();
        later.add("writer", 1.0);
        assert!((later.clone().part("load") - 0.25).abs() < 1e-9);
        assert!(((later - cost).without("load") - 1.0).abs() < 1e-9);
    }
}
