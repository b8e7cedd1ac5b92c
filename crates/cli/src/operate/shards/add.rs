//! `forebay shards add`.

use std::process::ExitCode;

use anyhow::Result;
use forebay_admin::doctor::Verdict;
use forebay_admin::members::{self, NewMember, Plan, Step};
use forebay_model::Label;
use forebay_service::settings::units::ByteSize;
use forebay_shard::ShardAddresses;
use forebay_terminal::{labels_text, note, out};

use crate::operate::system::SystemArgs;

/// Add a shard to the system, while everything runs: it is drained and read from then on, and has no buckets yet
///
/// Looks first whether the database is fit, and shows what would be done. The same command again goes on where one was cut off.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// Its database, as services find it, for instance `postgres://forebay@db4:5432/forebay`; those of its replicas behind `|`. The map does not
    /// keep a password
    #[arg(value_name = "URL")]
    pub url: ShardAddresses,

    /// A label, such as region=eu; may be given several times
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub labels: Vec<Label>,

    /// Do it
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,

    /// Only look whether it can be done, and show what would be
    #[arg(long)]
    pub dry_run: bool,

    /// Print the plan as JSON
    #[arg(long)]
    pub json: bool,
}

/// Shows the plan, and carries it out where that is asked for. The exit code is 1 where something is left to do.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let Args { system, url: addresses, labels, yes, dry_run, json } = args;
    let system = system.find().await?;
    let wanted = NewMember { addresses, labels };
    let mut plan = members::plan(&system, &wanted).await?;
    if wanted.addresses.has_password() {
        note!(
            "the map does not keep the password: services take it from the file that PGPASSFILE names, or from PGPASSWORD"
        );
    }
    if yes && !plan.is_done() {
        if !json {
            note!("{}", text(&plan));
        }
        plan = members::add(&system, &wanted, &|step| note!("{}", said(step))).await?;
    }
    out!("{}", if json { serde_json::to_string_pretty(&plan)? } else { text(&plan) })?;
    if plan.is_done() || dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    note!("nothing was changed; --yes does it");
    Ok(ExitCode::FAILURE)
}

fn text(plan: &Plan) -> String {
    let Plan { shard, addresses, labels, epoch, buckets, stream_bytes_max, left, checks } = plan;
    let labels = labels_text(labels);
    let mut lines = vec![format!("Shard {shard}: {}{labels}", addresses.join(" | "))];
    lines.extend(checks.iter().map(|check| format!("  {:<12} {}", check.check, check.saw)));
    let warned = checks.iter().filter(|check| check.verdict == Verdict::Warning);
    lines.extend(warned.filter_map(|check| Some(format!("  ! {}: {}", check.check, check.advice.as_ref()?))));
    if left.is_empty() {
        lines.push(format!("It is in the map of epoch {epoch}, with {buckets} buckets."));
    } else {
        let bytes = ByteSize::b(*stream_bytes_max);
        lines.push(format!("To be done, by the map of epoch {epoch}, with streams of {bytes} each:"));
        lines.extend(left.iter().map(|&step| format!("  {}", will(step))));
    }
    lines.join("\n")
}

fn will(step: Step) -> &'static str {
    match step {
        Step::TakeIn => "make its tables, and write into its database which shard it is",
        Step::Streams => "make its streams",
        Step::Map => "put it into the map, without buckets",
    }
}

fn said(step: Step) -> &'static str {
    match step {
        Step::TakeIn => "its database has the tables, and knows which shard it is",
        Step::Streams => "its streams are there",
        Step::Map => "it is in the map",
    }
}
