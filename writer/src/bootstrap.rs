//! What must be there before anything can be drained: the log's streams, the shard map, the shards' tables. Each is made where
//! it is missing, and waited for where it cannot be reached.

use std::sync::Arc;
use std::time::Duration;

use forebay_log::{FoundingError, Log, LogError, LogSettings, MapError};
use forebay_model::{ShardId, ShardMap};
use forebay_service::BadSetting;
use forebay_service::health::Dependency;
use forebay_shard::{AddressError, MigrationError, ShardAddresses, migrate, system_of};
use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::Settings;
use crate::retry;

/// How long to wait between two attempts to reach the log for the first time.
const LOG_PAUSE: Duration = Duration::from_millis(500);

/// The log, with every stream and a shard map.
///
/// # Errors
/// [`BadSetting`] where there is a system already, and the settings say other things of it.
pub(crate) async fn log(
    settings: &Settings,
    log: &LogSettings,
    nats: &Dependency,
    map: &Dependency,
) -> Result<Log, BadSetting> {
    loop {
        match Box::pin(prepare_log(settings, log.clone())).await {
            Ok((log, found)) => {
                info!(epoch = %found.epoch(), shards = found.shards().len(), "connected to the log, which has a shard map");
                say_room(&log, &found).await;
                nats.up();
                return Ok(log);
            }
            Err(NotYet::Bad(bad)) => return Err(bad),
            // A shard is away that may know of a system.
            Err(NotYet::Founding(error @ FoundingError::System(_))) => {
                nats.up();
                map.down(error.to_string());
            }
            Err(NotYet::Founding(FoundingError::Map(error @ MapError::Log(LogError::Unreachable { .. })))) => {
                nats.down(error.to_string());
            }
            Err(NotYet::Founding(error)) => {
                error!(%error, "the log cannot be used as it is");
                nats.down(error.to_string());
            }
        }
        sleep(LOG_PAUSE).await;
    }
}

/// Says where streams may become larger together than what the log's server gives them: it would be full before any of them is.
async fn say_room(log: &Log, map: &ShardMap) {
    let (given, promised) = (log.room().await.ok().and_then(|room| room.max), map.log_bytes_max());
    if let Some(given) = given.filter(|&given| given < promised) {
        warn!(
            given,
            promised,
            "the log's streams may take more bytes than its server gives them: raise its limit, or lower stream-bytes-max"
        );
    }
}

/// Why there is nothing to drain yet, or never will be.
enum NotYet {
    /// The settings say other things than the map.
    Bad(BadSetting),
    Founding(FoundingError),
}

async fn prepare_log(settings: &Settings, log: LogSettings) -> Result<(Log, Arc<ShardMap>), NotYet> {
    let log = Log::connect(log).await.map_err(MapError::from)?;
    let shards = settings.shards.of_new();
    let mut map = log.found(shards.members(), &settings.options.founding, system_of(&shards)).await?;
    if let Some(told) = &settings.shards.shards {
        map = log.complete_map(&told.members()).await?;
    }
    settings.shards.of_map(&map)?;
    Ok((log, map))
}

impl From<FoundingError> for NotYet {
    fn from(error: FoundingError) -> Self {
        match error {
            FoundingError::Disagrees(disagreement) => Self::Bad(BadSetting::new(disagreement.to_string())),
            error => Self::Founding(error),
        }
    }
}

impl From<MapError> for NotYet {
    fn from(error: MapError) -> Self {
        Self::Founding(error.into())
    }
}

impl From<AddressError> for NotYet {
    fn from(error: AddressError) -> Self {
        Self::Bad(BadSetting::new(error.to_string()))
    }
}

/// Gives the shard its tables, and takes it in, however long it takes to reach it.
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
                let is_foreign = matches!(&error, MigrationError::Connect(connect) if connect.is_foreign());
                if is_foreign || !matches!(error, MigrationError::Connect(_)) {
                    error!(%shard, %error, "the shard cannot be used as it is");
                }
                if is_foreign { dependency.halted(error.to_string()) } else { dependency.down(error.to_string()) }
            }
        }
        backoff.wait().await;
    }
}
