//! Flags that commands for operators share.

use forebay_admin::system::System;
use forebay_log::LogName;
use forebay_model::{Hash, ShardId, ViewSet};
use forebay_shard::{LOCAL_SHARDS, ShardList};

/// The log that `forebay up` starts: what settings name where nothing else is said.
pub const LOCAL_NATS: &str = "nats://127.0.0.1:4225";

/// Where the log and the shards are.
#[derive(Debug, Clone, clap::Args)]
pub struct SystemArgs {
    /// NATS servers, separated by commas
    #[arg(long, env = "FOREBAY_NATS", value_name = "URLS", default_value = LOCAL_NATS)]
    pub nats: String,

    /// What the names of streams and subjects begin with
    #[arg(long, env = "FOREBAY_LOG_PREFIX", value_name = "PREFIX", default_value = "forebay")]
    pub log_prefix: LogName,

    /// The shards, separated by `,`; addresses of one shard are separated by `|`, the primary first
    #[arg(
        long,
        env = "FOREBAY_SHARDS",
        value_name = "URLS",
        hide_env_values = true,
        default_value = LOCAL_SHARDS
    )]
    pub shards: ShardList,
}

/// Which fields make views.
#[derive(Debug, Clone, clap::Args)]
pub struct ViewsArgs {
    /// Fields that make views, as ingest has them
    #[arg(long, env = "FOREBAY_VIEWS", value_name = "VIEWS", default_value = "seller=items[].seller_id")]
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
    fn from(SystemArgs { nats, log_prefix, shards }: SystemArgs) -> Self {
        Self { nats, log_prefix, shards }
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
