//! What this process uses, under the names that Prometheus client libraries agree on, so that ready-made dashboards find it.

use std::fmt::Write;

use procfs::WithCurrentSystemInfo;
use procfs::process::{LimitValue, Process};

use crate::telemetry::metrics::{CPU_SECONDS, Metric, OPEN_FILES, OPEN_FILES_MAX, RESIDENT_BYTES};

/// Appends the process's metrics in Prometheus text form. What cannot be read is left out.
pub(crate) fn render(out: &mut String) {
    let Ok(process) = Process::myself() else { return };
    let stat = process.stat().ok();
    let cpu_seconds = |ticks: u64| ticks as f64 / procfs::ticks_per_second() as f64;
    let metrics = [
        (RESIDENT_BYTES, stat.as_ref().map(|stat| stat.rss_bytes().get() as f64)),
        (CPU_SECONDS, stat.as_ref().map(|stat| cpu_seconds(stat.utime + stat.stime))),
        (OPEN_FILES, process.fd_count().ok().map(|count| count as f64)),
        (OPEN_FILES_MAX, open_files_max().map(|max| max as f64)),
    ];
    for (Metric { kind, name, help, .. }, value) in metrics {
        if let Some(value) = value {
            // Writing into a String cannot fail.
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {}\n{name} {value}\n", kind.as_str());
        }
    }
}

/// The soft limit of open file descriptors, where there is one.
pub(crate) fn open_files_max() -> Option<u64> {
    match Process::myself().ok()?.limits().ok()?.max_open_files.soft_limit {
        LimitValue::Value(max) => Some(max),
        LimitValue::Unlimited => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_process_metric_is_missing_on_linux() {
        let mut out = String::new();
        render(&mut out);
        assert_eq!(out.matches("# TYPE process_").count(), 4, "{out}");
    }
}
