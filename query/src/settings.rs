//! Flags and environment variables of the query service.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use forebay_api::Role;
use forebay_log::LogArgs;
use forebay_redis::RedisArgs;
use forebay_service::ServiceSettings;
use forebay_service::settings::units::{self, ByteSize};
use forebay_shard::ShardArgs;

use crate::replica::shard::ReadSettings;

/// Answers questions about orders over HTTP.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "forebay-query", version)]
pub struct Settings {
    /// Address to listen on
    #[arg(long, env = "FOREBAY_QUERY_LISTEN", default_value = Role::Query.listen_default())]
    pub listen: SocketAddr,

    /// The log that it uses.
    #[command(flatten)]
    pub log: LogArgs,

    /// The shards that it uses.
    #[command(flatten)]
    pub shards: ShardArgs,

    /// What only query has.
    #[command(flatten)]
    pub options: QueryOptions,

    /// What every service has.
    #[command(flatten)]
    pub service: ServiceSettings,
}

/// What only query can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct QueryOptions {
    /// Connections to each server of a shard
    #[arg(long, env = "FOREBAY_SHARD_CONNECTIONS", default_value = "8",
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub shard_connections: u32,

    /// How long a shard may take to answer, in milliseconds
    #[arg(long = "shard-timeout-ms", env = "FOREBAY_SHARD_TIMEOUT_MS", default_value = "2000",
        value_parser = units::millis)]
    pub shard_timeout: Duration,

    /// The shared part of the cache.
    #[command(flatten)]
    pub redis: RedisArgs,

    /// How much of the cache is kept in this process's memory
    #[arg(long, env = "FOREBAY_CACHE_BYTES", default_value = "32MiB")]
    pub cache_bytes: ByteSize,

    /// Requests per second that each client may send
    #[arg(long, env = "FOREBAY_REQUESTS_PER_S", default_value = "100000")]
    pub requests_per_s: NonZeroU32,

    /// How far behind a shard a replica may be to be read in place of its primary, in milliseconds
    #[arg(long = "replica-lag-max-ms", env = "FOREBAY_REPLICA_LAG_MAX_MS", default_value = "1000",
        value_parser = units::millis)]
    pub replica_lag_max: Duration,
}

impl QueryOptions {
    pub(crate) fn reads(&self) -> ReadSettings {
        let Self { shard_connections: connections_max, shard_timeout: timeout, replica_lag_max, .. } = *self;
        ReadSettings { connections_max, timeout, replica_lag_max }
    }
}
