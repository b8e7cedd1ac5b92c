//! What must be there before anything can be drained: the log's streams, the shard map, the shards' tables. Each is made where
//! it is missing, and waited for where it cannot be reached.

use std::sync::Arc;
use std::time::Duration;

use forebay_log::{Log, LogError, LogSettings, MapError};
use forebay_model::{ShardId, ShardMap, StreamId};
use forebay_service::health::Dependency;
use forebay_shard::{MigrationError, ShardAddresses, migrate};
use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::Settings;
use crate::retry;

/// How long to wait between two attempts to reach the log for the first time.
const LOG_PAUSE: Duration = Duration::from_millis(500);

/// The log, with every stream and a shard map.
pub(crate) async fn log(settings: &Settings, log: &LogSettings, nats: &Dependency, map: &Dependency) -> Log {
    loop {
        match Box::pin(prepare_log(settings, log.clone())).await {
            Ok((log, found)) => {
                info!("connected to the log");
                nats.up();
                check_map(settings, &found, map);
                return log;
            }
            Err(error @ MapError::Log(LogError::Unreachable { .. })) => nats.down(error.to_string()),
            Err(error) => {
                error!(%error, "the log cannot be used as it is");
                nats.down(error.to_string());
            }
        }
        sleep(LOG_PAUSE).await;
    }
}

/// Streams first, map last: a process that sees a map may rely on its streams.
async fn prepare_log(settings: &Settings, log: LogSettings) -> Result<(Log, Arc<ShardMap>), MapError> {
    let log = Log::connect(log).await?;
    let streams: Vec<StreamId> = settings.shards.iter().flat_map(|(shard, _)| StreamId::all_of(shard)).collect();
    log.ensure_streams(streams).await?;
    let first = ShardMap::even(settings.shard_count(), settings.routing);
    let map = log.create_map_if_absent(&first).await?;
    Ok((log, map))
}

fn check_map(settings: &Settings, map: &ShardMap, dependency: &Dependency) {
    if map.hash() != settings.routing {
        warn!(stored = ?map.hash(), asked_for = ?settings.routing, "the shard map is there already, with another routing; it stays");
    }
    let unknown: Vec<String> =
        map.shards().filter(|&shard| settings.shards.get(shard).is_none()).map(|shard| shard.to_string()).collect();
    if unknown.is_empty() {
        info!(epoch = %map.epoch(), shards = map.shards().len(), "shard map");
        dependency.up();
    } else {
        let reason = format!("the shard map names shards of which no address is given: {}", unknown.join(", "));
        error!(reason, "what is for these shards stays in the log");
        dependency.down(reason);
    }
}

/// Returns the shard its tables, however long it takes to reach it.
pub(crate) async fn tables(shard: ShardId, addresses: &ShardAddresses, dependency: &Dependency) {
    let mut backoff = retry::BACKOFF;
    loop {
        match migrate(addresses).await {
            Ok(()) => {
                info!(%shard, "the shard has its tables");
                dependency.up();
                return;
            }
            Err(error) => {
                if matches!(error, MigrationError::Migrate(_)) {
                    error!(%shard, %error, "the shard cannot be used as it is");
                }
                dependency.down(error.to_string());
            }
        }
        backoff.wait().await;
    }
}
