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

use forebay_log::LogSettings;
use forebay_shard::ShardList;
use futures::future::join_all;

pub use report::{Check, Report, Verdict};

/// What is to be looked at.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The log.
    pub log: LogSettings,
    /// The shards.
    pub shards: ShardList,
    /// The address of Redis, where there is one.
    pub redis: Option<::redis::Client>,
    /// The address of the monitoring port of NATS. Where none is named, the usual one is tried.
    pub nats_monitor: Option<String>,
}

/// Looks at everything, as far as it can be reached. The log comes first: its map says which system the shards are to be of.
pub async fn examine(settings: &Settings) -> Report {
    let (log, mut checks) = nats::examine(&settings.log, settings.nats_monitor.as_deref()).await;
    let map = match &log {
        Some(log) => streams::map(log).await,
        None => None,
    };
    if let Some(map) = &map {
        settings.shards.set_system(map);
    }
    let shards = settings.shards.iter().map(|(shard, addresses)| postgres::examine(shard, addresses));
    let (shards, redis) = tokio::join!(join_all(shards), redis::examine(settings.redis.as_ref()));
    let positions = shards.iter().map(|found| found.positions.clone()).collect::<Vec<_>>();
    if let Some(log) = log {
        checks.extend(streams::examine(&log, map.as_deref(), &settings.shards, &positions).await);
    }
    checks.extend(shards.into_iter().flat_map(|found| found.checks));
    checks.extend(redis);
    Report { checks }
}
