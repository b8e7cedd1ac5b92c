//! Flags that commands for operators share.

use forebay_admin::system::System;
use forebay_log::LogArgs;
use forebay_model::{DEFAULT_VIEWS, Hash, ShardId, ViewSet};
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

/// Which fields make views.
#[derive(Debug, Clone, clap::Args)]
pub struct ViewsArgs {
    /// Fields that make views, as ingest has them
    #[arg(long, env = "FOREBAY_VIEWS", value_name = "VIEWS", default_value = DEFAULT_VIEWS)]
    pub views: ViewSet,
}

/// How customers become buckets in the first shard map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Routing {
    /// By MD5: even for any ids
    Md5,
    /// Integers modulo 4096, everything else by MD5
    Modulo,
}

impl From<SystemArgs> for System {
    fn from(SystemArgs { log: LogArgs { nats, log_prefix }, shards }: SystemArgs) -> Self {
        Self { nats, log_prefix, shards: shards.shards }
    }
}

impl From<Routing> for Hash {
    fn from(routing: Routing) -> Self {
        match routing {
            Routing::Md5 => Self::Md5,
            Routing::Modulo => Self::Modulo,
        }
    }
}

impl Routing {
    /// The name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Modulo => "modulo",
        }
    }
}

/// A shard's number, as it is written in commands.
pub(crate) fn shard(text: &str) -> Result<ShardId, String> {
    text.parse().map(ShardId).map_err(|_| String::from("a shard is a number, such as 0"))
}
