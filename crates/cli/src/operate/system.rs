//! Flags that commands for operators share.

use anyhow::Result;
use forebay_admin::system::System;
use forebay_log::LogArgs;
use forebay_model::{ShardId, Tenant};
use forebay_shard::ShardArgs;

/// Where the log and the shards are.
#[derive(Debug, Clone, clap::Args)]
pub struct SystemArgs {
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,

    /// The shards.
    #[command(flatten)]
    pub shards: ShardArgs,
}

impl SystemArgs {
    /// The system, with each shard where it is.
    pub(crate) async fn find(self) -> Result<System> {
        System::find(self.log, &self.shards).await
    }
}

/// A shard's number, as it is written in commands.
pub(crate) fn shard(text: &str) -> Result<ShardId, String> {
    text.parse().map(ShardId).map_err(|_| String::from("a shard is a number, such as 0"))
}

/// A tenant, as it is named in commands.
pub(crate) fn tenant(text: &str) -> Result<Tenant, String> {
    Tenant::named(text).map_err(|error| format!("a tenant {error}"))
}
