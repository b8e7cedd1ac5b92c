//! `forebay shards`.
//!
//! | module | command |
//! |---|---|
//! | [`list`] | `forebay shards`: the map and each shard's figures |

pub mod list;

use std::process::ExitCode;

use anyhow::Result;

/// What `forebay shards` can be told.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Without a command: the figures.
    #[command(flatten)]
    pub list: list::Args,
}

/// Does it.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    list::run(args.list).await
}
