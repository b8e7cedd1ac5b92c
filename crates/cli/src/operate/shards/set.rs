//! `forebay shards set`.

use std::process::ExitCode;

use anyhow::Result;
use forebay_admin::members::{self, Change};
use forebay_model::{Label, ShardId};
use forebay_shard::ShardAddresses;
use forebay_terminal::{labels_text, note, out};
use serde_json::json;

use crate::operate::system::{self, SystemArgs};

/// Say where a shard is now, or what it is labelled with; everything that runs follows
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// The shard
    #[arg(value_name = "SHARD", value_parser = system::shard)]
    pub shard: ShardId,

    /// Where its database is now, its primary first and its replicas behind `|`. It has to be this shard's
    #[arg(long, value_name = "URL", required_unless_present = "labels")]
    pub address: Option<ShardAddresses>,

    /// A label that it has from now on, such as region=eu; region= takes it off
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub labels: Vec<Label>,

    /// Print what the map says of it then as JSON
    #[arg(long)]
    pub json: bool,
}

/// Does it.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let Args { system, shard, address: addresses, labels, json } = args;
    let has_password = addresses.as_ref().is_some_and(ShardAddresses::has_password);
    let map = members::set(&system.find().await?, shard, &Change { addresses, labels }).await?;
    if has_password {
        note!(
            "the map does not keep the password: services take it from the file that PGPASSFILE names, or from PGPASSWORD"
        );
    }
    let Some(member) = map.member(shard) else { return Ok(ExitCode::SUCCESS) };
    if json {
        let text =
            json!({"shard": shard, "epoch": map.epoch(), "addresses": member.addresses, "labels": member.labels});
        out!("{}", serde_json::to_string_pretty(&text)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let labels = labels_text(&member.labels);
    out!("Shard {shard}: {}{labels} (by the map of epoch {})", member.addresses.join(" | "), map.epoch())?;
    Ok(ExitCode::SUCCESS)
}
