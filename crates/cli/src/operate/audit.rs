//! `forebay audit`.

use std::process::ExitCode;

use anyhow::Result;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use forebay_admin::audit::{self, ActReport};
use forebay_model::Timestamp;
use forebay_terminal::{or_dash, out};
use serde_json::Value;

use super::system::SystemArgs;

/// Show what operators have done, the newest last: who, when, from where, what, and how it ended
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// Only what was done, begun or ended at this time or later
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub since: Option<Timestamp>,

    /// Print the acts as JSON
    #[arg(long)]
    pub json: bool,
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_bound(text).map_err(|error| format!("a time {error}"))
}

/// Does it.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let acts = audit::list(&args.system.find().await?, args.since).await?;
    out!("{}", if args.json { serde_json::to_string_pretty(&acts)? } else { table(&acts) })?;
    Ok(ExitCode::SUCCESS)
}

fn table(acts: &[ActReport]) -> String {
    if acts.is_empty() {
        return "Nothing was done.".to_owned();
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["begun", "who", "where", "what", "asked for", "became", "shards"]);
    for act in acts {
        let stage = act.stage.as_str();
        let became = act.outcome.as_ref().map(|outcome| format!("{stage}: {}", words(outcome)));
        let shards: Vec<String> = act.shards.iter().map(ToString::to_string).collect();
        table.add_row([
            act.begun_at.clone(),
            format!("{} ({})", act.by_user, act.db_user),
            format!("{} ({})", act.by_host, or_dash(act.db_address.as_ref())),
            act.command.clone(),
            words(&act.asked),
            became.unwrap_or_else(|| "begun".to_owned()),
            shards.join(" "),
        ]);
    }
    table.trim_fmt()
}

/// The members of an object, as `name=value`.
fn words(object: &Value) -> String {
    let members = object.as_object().into_iter().flatten();
    let word = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name}={}", text.escape_debug()),
        other => format!("{name}={other}"),
    };
    members.map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use forebay_model::ShardId;
    use serde_json::json;

    use super::*;

    #[test]
    fn snapshot_of_acts() {
        let act = |stage: &str, outcome: Option<Value>| ActReport {
            act: "0d9f4f4e-6a8c-4d0f-9a55-1c2d3e4f5a6b".to_owned(),
            begun_at: "2026-01-02T03:04:05Z".to_owned(),
            ended_at: None,
            stage: stage.parse().unwrap(),
            command: "dead purge".to_owned(),
            asked: json!({"letters": "0/7", "unrequeued": true}),
            outcome,
            by_user: "root for ann".to_owned(),
            by_host: "db1".to_owned(),
            db_user: "forebay".to_owned(),
            db_address: Some("10.0.0.7".to_owned()),
            shards: vec![ShardId(0), ShardId(1)],
        };
        let acts = [
            act("done", Some(json!({"purged": 1, "kept": 0}))),
            act("failed", Some(json!({"reason": "shard 1 is away"}))),
            act("begun", None),
        ];
        insta::assert_snapshot!(table(&acts), @"
        begun                 who                     where           what        asked for                    became                          shards
        2026-01-02T03:04:05Z  root for ann (forebay)  db1 (10.0.0.7)  dead purge  letters=0/7 unrequeued=true  done: kept=0 purged=1           0 1
        2026-01-02T03:04:05Z  root for ann (forebay)  db1 (10.0.0.7)  dead purge  letters=0/7 unrequeued=true  failed: reason=shard 1 is away  0 1
        2026-01-02T03:04:05Z  root for ann (forebay)  db1 (10.0.0.7)  dead purge  letters=0/7 unrequeued=true  begun                           0 1
        ");
        assert_eq!(table(&[]), "Nothing was done.");
    }
}
