//! CPU time and memory of processes, read from `/proc` (see proc(5)).

use std::collections::BTreeMap;
use std::ops::{AddAssign, Sub};

use serde::Serialize;

/// The kernel counts CPU time in hundredths of a second, on every architecture (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;
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
    let children = children_of(pid).filter_map(stat).map(|child| child.ticks).sum::<u64>();
    (own.ticks + own.ended_children_ticks + children) as f64 / TICKS_PER_SECOND
}

/// The CPU seconds of this process and of its children that have ended.
pub fn own_cpu_seconds() -> f64 {
    stat(std::process::id()).map_or(0.0, |own| (own.ticks + own.ended_children_ticks) as f64 / TICKS_PER_SECOND)
}

/// The most memory that a process had resident so far, in 2²⁰ bytes.
pub fn peak_megabytes(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / KIB_PER_MIB)
}

struct Stat {
    ppid: u32,
    ticks: u64,
    ended_children_ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The second field is the program's name in parentheses, which may hold anything.
fn parse(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    Some(Stat {
        ppid: fields.get(1)?.parse().ok()?,
        ticks: number(11)? + number(12)?,
        ended_children_ticks: number(13)? + number(14)?,
    })
}

fn children_of(parent: u32) -> impl Iterator<Item = u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(move |&pid| stat(pid).is_some_and(|child| child.ppid == parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_blanks_moves_no_field() {
        let text = "7 (a) b (c) S 3 7 7 0 -1 0 0 0 0 0 11 22 33 44 20 0";
        let stat = parse(text).unwrap();
        assert_eq!((stat.ppid, stat.ticks, stat.ended_children_ticks), (3, 33, 77));
    }

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
