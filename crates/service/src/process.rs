//! What this process uses, read from `/proc`.
//!
//! The names are those that Prometheus client libraries agree on, so that ready-made dashboards find them.

use std::fmt::Write;
use std::fs;

/// `/proc/self/stat` counts processor time in ticks of `USER_HZ`, which is 100 on every architecture that Linux servers
/// run on.
const TICKS_PER_S: f64 = 100.0;

/// Appends the process's metrics in Prometheus text form. What cannot be read is left out.
pub fn render(out: &mut String) {
    let metrics = [
        ("process_resident_memory_bytes", "gauge", "Resident memory", resident_memory_bytes()),
        ("process_cpu_seconds_total", "counter", "Processor time, user and system", cpu_seconds()),
        ("process_open_fds", "gauge", "Open file descriptors", open_files()),
        ("process_max_fds", "gauge", "Limit of open file descriptors", open_files_max().map(f64::from)),
    ];
    for (name, kind, help, value) in metrics {
        if let Some(value) = value {
            // Writing into a String cannot fail.
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        }
    }
}

/// The soft limit of open file descriptors.
pub fn open_files_max() -> Option<u32> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}

fn resident_memory_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib: f64 =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024.0)
}

fn cpu_seconds() -> Option<f64> {
    cpu_seconds_of(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// Field 2 is the program's name in parentheses and may contain anything; utime and stime are fields 14 and 15 (proc(5)).
fn cpu_seconds_of(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS_PER_S)
}

fn open_files() -> Option<f64> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_an_odd_program_name() {
        let stat = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 4 0 100";
        assert_eq!(cpu_seconds_of(stat), Some(2.0));
        assert_eq!(cpu_seconds_of("42 (x"), None);
    }

    #[test]
    fn all_four_are_there_on_linux() {
        let mut out = String::new();
        render(&mut out);
        assert_eq!(out.matches("# TYPE process_").count(), 4, "{out}");
    }
}
