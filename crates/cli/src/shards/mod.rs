//! `forebay shards`: the shard map and each shard's figures.

mod table;

use std::process::ExitCode;

use anyhow::Result;
use forebay_admin::shards::read;
use forebay_admin::system::SystemSettings;

/// What `forebay shards` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemSettings,

    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints the map and the figures. The exit code is 1 where a shard cannot be reached.
///
/// # Errors
/// When the log cannot be reached, or has no map.
pub async fn run(settings: &Settings) -> Result<ExitCode> {
    let log = settings.system.connect_log().await?;
    let figures = read(&log, &settings.system).await?;
    if settings.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        println!("{}", table::render(&figures));
    }
    for problem in figures.problems() {
        eprintln!("forebay: {problem}");
    }
    Ok(if figures.problems().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
