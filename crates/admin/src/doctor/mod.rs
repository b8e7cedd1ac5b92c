//! Whether a system is set up so that it can keep its promises: servers, versions, durability, clocks, tables, streams, room.
//!
//! It only looks, and changes nothing. Each thing that was looked at gives a [`Check`] with what was seen and, where
//! something is wrong, what to do.

mod clock;
mod nats;
mod postgres;
mod redis;
mod report;
mod room;
mod streams;

use std::collections::BTreeMap;

use forebay_log::LogSettings;
use forebay_model::ShardId;
use forebay_shard::{ShardAddresses, ShardArgs, ShardList};
use futures::future::join_all;

pub use report::{Check, Report, Verdict};

/// What is to be looked at.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The log.
    pub log: LogSettings,
    /// The shards.
    pub shards: ShardArgs,
    /// What connects to Redis, where there is one.
    pub redis: Option<forebay_redis::Client>,
    /// The address of the monitoring port of NATS. Where none is named, the usual one is tried.
    pub nats_monitor: Option<String>,
}

/// Looks at everything, as far as it can be reached. The log comes first: its map says which system the shards are to be of.
pub async fn examine(settings: &Settings) -> Report {
    let ((log, mut checks), redis) = tokio::join!(
        nats::examine(&settings.log, settings.nats_monitor.as_deref()),
        redis::examine(settings.redis.as_ref()),
    );
    let (map, list) = match &log {
        Some(log) => streams::map(log, &settings.shards, &mut checks).await,
        None => (None, settings.shards.of_new()),
    };
    let shards = examine_shards(&list).await;
    if let (Some(log), Some(map)) = (&log, &map) {
        checks.extend(streams::examine(log, map, &shards).await);
    }
    checks.extend(shards.into_values().flat_map(|found| found.checks));
    checks.extend(redis);
    Report { checks }
}

async fn examine_shards(list: &ShardList) -> BTreeMap<ShardId, postgres::ShardFindings> {
    let examined =
        list.iter().map(async |(shard, addresses)| (shard, postgres::examine(shard, addresses, false).await));
    join_all(examined).await.into_iter().collect()
}

/// Looks at the servers of a shard that is to come: its tables are still to be made.
pub(crate) async fn examine_new(shard: ShardId, addresses: &ShardAddresses) -> Vec<Check> {
    postgres::examine(shard, addresses, true).await.checks
}
