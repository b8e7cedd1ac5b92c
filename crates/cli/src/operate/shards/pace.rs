//! `forebay shards pause`, `resume` and `abort`.

use std::process::ExitCode;

use anyhow::Result;
use forebay_admin::moves::command::{self, PaceChange};
use forebay_terminal::{grouped, note, out};

use super::buckets::{These, these};
use crate::operate::system::SystemArgs;

/// What `shards pause` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Pause {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,
}

/// What `shards resume` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Resume {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// Rows that are copied from each shard in a second at most; 0: as fast as the shards take them
    #[arg(long, value_name = "N")]
    pub rows_per_s: Option<u32>,

    /// How long a shard keeps the rows of what another one owns, in seconds
    #[arg(long, value_name = "SECONDS")]
    pub keep_s: Option<u32>,
}

/// What `shards abort` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Abort {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// Only these buckets: `17`, `0-99`, `1,5,9-12`
    #[arg(long, value_name = "LIST|RANGE", value_parser = these)]
    buckets: Option<These>,

    /// Print what became of it as JSON
    #[arg(long)]
    pub json: bool,
}

impl Pause {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let system = self.system.find().await?;
        let log = system.connect_log().await?;
        command::set_pace(&system, &log, PaceChange { paused: Some(true), ..PaceChange::default() }).await?;
        note!("nothing begins to move, and what is being copied is held; `forebay shards resume` goes on");
        Ok(ExitCode::SUCCESS)
    }
}

impl Resume {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let system = self.system.find().await?;
        let log = system.connect_log().await?;
        let (rows_per_s, keep_s) = (self.rows_per_s, self.keep_s);
        command::set_pace(&system, &log, PaceChange { paused: Some(false), rows_per_s, keep_s }).await?;
        note!("what is to move goes on");
        Ok(ExitCode::SUCCESS)
    }
}

impl Abort {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let system = self.system.find().await?;
        let log = system.connect_log().await?;
        let aborted = command::abort(&system, &log, self.buckets.as_ref().map(|These(these)| these)).await?;
        if self.json {
            out!("{}", serde_json::to_string_pretty(&aborted)?)?;
        } else {
            note!(
                "{} parts do not begin to move, {} are turned back, and {} are where they were to go: to bring those back is a move",
                grouped(aborted.forgotten as u64),
                grouped(aborted.turned_back as u64),
                grouped(aborted.too_late as u64)
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}
