//! The settings of the system, which stand in the map: read, and changed by compare-and-swap.

use std::fmt;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use forebay_log::{Log, MapError};
use forebay_model::{Currency, ShardMap, SystemSettings};
use forebay_service::BadSetting;
use serde_json::json;

use crate::audit::recorded;
use crate::system::{NO_MAP, System};

/// One setting, as it is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// What orders are in that name no currency.
    Currency(Currency),
    /// Bytes that each stream may take.
    StreamBytesMax(u64),
    /// NATS servers that keep each stream.
    StreamReplicas(u8),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Currency(currency) => write!(f, "currency={currency}"),
            Self::StreamBytesMax(bytes_max) => write!(f, "stream-bytes-max={bytes_max}"),
            Self::StreamReplicas(replicas) => write!(f, "stream-replicas={replicas}"),
        }
    }
}

/// The map of now, with the settings.
///
/// # Errors
/// Where there is none yet, or the log cannot be reached.
pub async fn read(system: &System) -> Result<Arc<ShardMap>> {
    stored_map(&system.connect_log().await?).await
}

/// Makes changes, and gives the map behind them. The streams that there are follow their limits.
///
/// # Errors
/// As [`read`], or where a stream cannot be as it should. Doing it again is harmless.
pub async fn set(system: &System, changes: &[Change]) -> Result<Arc<ShardMap>> {
    let asked = json!({"settings": changes.iter().map(ToString::to_string).collect::<Vec<_>>()});
    let done = |map: &Arc<ShardMap>| json!({"epoch": map.epoch()});
    recorded(system, None, ("settings set", asked), done, set_them(system, changes)).await
}

async fn set_them(system: &System, changes: &[Change]) -> Result<Arc<ShardMap>> {
    let log = system.connect_log().await?;
    let map = change(&log, |_, settings| {
        for &change in changes {
            match change {
                Change::Currency(currency) => settings.currency = currency,
                Change::StreamBytesMax(bytes_max) => settings.streams.bytes_max = bytes_max,
                Change::StreamReplicas(replicas) => settings.streams.replicas = replicas,
            }
        }
        Ok(())
    })
    .await?;
    log.ensure_streams_of(&map).await?;
    Ok(map)
}

/// The map as it is stored now.
pub(crate) async fn stored_map(log: &Log) -> Result<Arc<ShardMap>> {
    match log.read_map().await {
        Err(MapError::Absent) => Err(anyhow!(NO_MAP)),
        read => Ok(read?),
    }
}

/// Changes the settings by compare-and-swap, as often as somebody else is faster. Where nothing is to be changed, the map stays. Gives
/// the map that has them.
pub(crate) async fn change(
    log: &Log,
    mut make: impl FnMut(&ShardMap, &mut SystemSettings) -> Result<(), BadSetting>,
) -> Result<Arc<ShardMap>> {
    change_map(log, |map| {
        let mut settings = map.settings().clone();
        make(map, &mut settings)?;
        Ok((settings != *map.settings()).then(|| map.next_with(settings)))
    })
    .await
}

/// Changes the map, as [`Log::change_map`] does.
pub(crate) async fn change_map(
    log: &Log,
    next: impl FnMut(&ShardMap) -> Result<Option<ShardMap>>,
) -> Result<Arc<ShardMap>> {
    match log.change_map(next).await {
        Err(error) if matches!(error.downcast_ref(), Some(MapError::Absent)) => Err(anyhow!(NO_MAP)),
        changed => changed,
    }
}
