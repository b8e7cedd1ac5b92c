//! `forebay settings`.

use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Result;
use bytesize::ByteSize;
use clap::{Args, Subcommand};
use forebay_admin::settings::{self, Change};
use forebay_model::ShardMap;
use forebay_terminal::out;
use serde_json::json;

use super::system::SystemArgs;

/// What holds for the whole system, and not for one process.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Show the settings of the system
    Show(Show),
    /// Change settings of the system, which its processes follow by themselves
    Set(Set),
}

/// What `settings show` can be told.
#[derive(Debug, Clone, Args)]
pub struct Show {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// Print the settings as JSON
    #[arg(long)]
    pub json: bool,
}

/// What `settings set` can be told.
#[derive(Debug, Clone, Args)]
pub struct Set {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// `currency=USD`, `stream-bytes-max=4GiB` (streams that there are follow), `stream-replicas=3` (only ever more)
    #[arg(value_name = "SETTING=VALUE", required = true)]
    pub changes: Vec<Setting>,
}

/// A stream that is smaller than some frames refuses everything.
const STREAM_BYTES_MIN: ByteSize = ByteSize::mib(16);

/// A setting, as it is to be.
#[derive(Debug, Clone, Copy)]
pub struct Setting(Change);

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or_else(|| "write SETTING=VALUE".to_owned())?;
        let change = match name {
            "currency" => Change::Currency(value.parse().map_err(|error| format!("a currency {error}"))?),
            "stream-bytes-max" => match value.parse::<ByteSize>()? {
                bytes if bytes >= STREAM_BYTES_MIN => Change::StreamBytesMax(bytes.as_u64()),
                _ => {
                    return Err(format!(
                        "a stream has at least {STREAM_BYTES_MIN}: smaller ones are full before their frames are stored"
                    ));
                }
            },
            "stream-replicas" => match value.parse() {
                Ok(replicas @ 1..=5) => Change::StreamReplicas(replicas),
                _ => return Err("a stream has 1 to 5 replicas".to_owned()),
            },
            "views" => return Err("`forebay views add` and `forebay views drop` change the views".to_owned()),
            "routing" | "shards" => return Err(format!("{name} is fixed when a system is made")),
            _ => return Err("there are currency, stream-bytes-max and stream-replicas".to_owned()),
        };
        Ok(Self(change))
    }
}

/// Does it.
pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Show(args) => {
            let map = settings::read(&args.system.find().await?).await?;
            out!("{}", if args.json { serde_json::to_string_pretty(&as_json(&map))? } else { text(&map) })?;
        }
        Command::Set(args) => {
            let changes: Vec<Change> = args.changes.into_iter().map(|Setting(change)| change).collect();
            out!("{}", text(&*settings::set(&args.system.find().await?, &changes).await?))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(map: &ShardMap) -> serde_json::Value {
    let settings = map.settings();
    json!({
        "epoch": map.epoch(), "shards": map.shards().len(), "routing": map.hash(),
        "views": settings.views.iter().collect::<Vec<_>>(), "currency": settings.currency,
        "stream_bytes_max": settings.streams.bytes_max, "stream_replicas": settings.streams.replicas,
    })
}

fn text(map: &ShardMap) -> String {
    let settings = map.settings();
    let (views, routing) = (settings.views.in_force(), map.hash().as_str());
    let streams = settings.streams;
    let rows = [
        ("views", if views.is_empty() { "–".to_owned() } else { views.to_string() }),
        ("currency", settings.currency.to_string()),
        ("stream-bytes-max", ByteSize::b(streams.bytes_max).to_string()),
        ("stream-replicas", streams.replicas.to_string()),
        ("routing", format!("{routing} (fixed)")),
        ("shards", format!("{} (by the map of epoch {})", map.shards().len(), map.epoch())),
    ];
    rows.map(|(name, value)| format!("{name:<17} {value}")).join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_set_says_what_can() {
        assert!(matches!("stream-bytes-max=2GiB".parse(), Ok(Setting(Change::StreamBytesMax(n))) if n == 2 << 30));
        let refused = |text: &str| text.parse::<Setting>().unwrap_err();
        assert!(refused("views=a=b").contains("forebay views"));
        assert!(refused("routing=md5").contains("fixed"));
        for text in [
            "currency=usd",
            "stream-replicas=0",
            "stream-bytes-max=x",
            "stream-bytes-max=0",
            "stream-bytes-max=1KiB",
            "other=1",
            "currency",
        ] {
            refused(text);
        }
    }
}
