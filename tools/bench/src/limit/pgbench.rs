//! The statements of reads, prepared, by Postgres' own load generator.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use forebay_query::statement::SESSION;

use crate::bench::Bench;

/// What pgbench says at its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// Statements a second.
    pub per_second: f64,
    /// Their mean latency in milliseconds.
    pub mean_ms: f64,
}

/// A script, and what it is given.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// Commands of pgbench and one statement; parameters are `:name`.
    pub text: String,
    /// Parameters that are texts: pgbench computes only with numbers.
    pub texts: BTreeMap<&'static str, String>,
}

/// Runs a script on a database with the settings that the query service gives its sessions.
///
/// # Errors
/// What pgbench says.
pub async fn run(bench: &Bench, url: &str, script: &Script, clients: usize, lasts: Duration) -> Result<Report> {
    let path = bench.path("pgbench.sql");
    tokio::fs::write(&path, &script.text).await?;
    let options: Vec<String> = SESSION.iter().map(|(name, value)| format!("-c {name}={value}")).collect();
    let (server, database) = url.rsplit_once('/').context("an address without a database")?;
    let (_, port) = server.rsplit_once(':').context("an address without a port")?;
    let program = bench.stack.installed().postgres_bin.join("pgbench");
    let mut command = tokio::process::Command::new(program);
    command.env("PGOPTIONS", options.join(" ")).args(["-n", "-M", "prepared", "-j", "1", "-f"]).arg(&path);
    command.args(["-c", &clients.to_string(), "-T", &lasts.as_secs_f64().ceil().to_string()]);
    command.args(["-h", "127.0.0.1", "-p", port, "-U", "forebay"]);
    for (name, text) in &script.texts {
        command.arg(format!("-D{name}={text}"));
    }
    let output = command.arg(database).kill_on_drop(true).output().await.context("pgbench cannot be run")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let report = parse(&text).filter(|_| output.status.success());
    report.with_context(|| format!("pgbench: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn parse(text: &str) -> Option<Report> {
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(Report { per_second: number("tps = ")?, mean_ms: number("latency average = ")? })
}

/// The empty text, which no parameter of pgbench can be, and which stands for itself.
pub const NOTHING: &str = "''";

/// A statement with the parameters `$1`, `$2` … by name, as pgbench wants them.
pub fn with_names(statement: &str, names: &[&str]) -> String {
    let numbered = names.iter().enumerate().rev();
    numbered.fold(statement.to_owned(), |text, (place, name)| {
        let colon = if *name == NOTHING { "" } else { ":" };
        text.replace(&format!("${}", place + 1), &format!("{colon}{name}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_of_pgbench_is_read() {
        let text = "pgbench (15.18)\nlatency average = 0.313 ms\ninitial connection time = 2.1 ms\n\
                    tps = 3190.123456 (without initial connection time)\n";
        assert_eq!(parse(text), Some(Report { per_second: 3_190.123_456, mean_ms: 0.313 }));
        assert_eq!(parse("pgbench: error: no"), None);
    }

    #[test]
    fn the_tenth_parameter_is_not_the_first_with_a_nought() {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        assert_eq!(with_names("$1 $10 $2", &names), ":a :j :b");
        assert_eq!(with_names("($1, $2)", &["a", NOTHING]), "(:a, '')");
    }
}
