//! `forebay doctor`: whether a system is set up so that it can keep its promises.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::Result;
use forebay_admin::doctor::{Report, Settings, Verdict, examine};
use forebay_redis::RedisArgs;
use forebay_service::BadSetting;
use forebay_terminal::out;

use super::system::SystemArgs;

/// Look whether settings, servers, durability, clocks, tables and room are as they must be, and say what to do
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// The shared part of the cache.
    #[command(flatten)]
    pub redis: RedisArgs,

    /// The monitoring port of NATS, to see whether it syncs before it acknowledges; by default port 8222 is tried
    #[arg(long, env = "FOREBAY_NATS_MONITOR", value_name = "URL")]
    pub nats_monitor: Option<String>,

    /// Print what was found as JSON
    #[arg(long)]
    pub json: bool,
}

/// Looks, and prints what was found. The exit code is 1 where something has failed.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let Args { system, redis, nats_monitor, json } = args;
    let log = system.log.settings().map_err(|error| BadSetting::new(format!("--nats: {error}")))?;
    let report = examine(&Settings { log, shards: system.shards, redis: redis.client()?, nats_monitor }).await;
    if json {
        out!("{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        forebay_terminal::data(format_args!("{}", render(&report)))?;
    }
    Ok(if report.worst() == Verdict::Failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The checks for people: by subject, what to do below each that is not well, and a count.
fn render(report: &Report) -> String {
    let mut text = String::new();
    let mut subject = None;
    for check in &report.checks {
        if subject != Some(&check.subject) {
            subject = Some(&check.subject);
            let _ = writeln!(text, "{}", check.subject);
        }
        let _ = writeln!(text, "  {:<8} {:<12} {}", word(check.verdict), check.check, check.saw);
        if let Some(advice) = &check.advice {
            let _ = writeln!(text, "{:>24}{advice}", "→ ");
        }
    }
    let counts = [Verdict::Ok, Verdict::Warning, Verdict::Failed].map(|verdict| (report.count(verdict), word(verdict)));
    let counts = counts.map(|(count, word)| format!("{count} {word}")).join(", ");
    let _ = writeln!(text, "{} checks: {counts}", report.checks.len());
    text
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Warning => "warning",
        Verdict::Failed => "FAILED",
    }
}

#[cfg(test)]
mod tests {
    use forebay_admin::doctor::Check;

    use super::*;

    #[test]
    fn snapshot_of_a_report() {
        let check = |subject: &str, check, verdict, saw: &str, advice: Option<&str>| Check {
            subject: subject.to_owned(),
            check,
            verdict,
            saw: saw.to_owned(),
            advice: advice.map(str::to_owned),
        };
        let shard = "shard 0 at 127.0.0.1:5440/forebay";
        let checks = vec![
            check("NATS", "reachable", Verdict::Ok, "version 2.15.1, JetStream is on", None),
            check("NATS", "room", Verdict::Warning, "9.0 MiB used of 8.0 MiB", Some("raise max_file_store")),
            check(shard, "durability", Verdict::Failed, "fsync = off", Some("set fsync to on")),
        ];
        insta::assert_snapshot!(render(&Report { checks }));
    }
}
