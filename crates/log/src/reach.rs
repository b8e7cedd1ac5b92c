//! Reaching a log however long it takes, and following whether it can be used: what every service does with its log.

use std::time::Duration;

use tokio::time::sleep;
use tracing::{error, info};

use crate::error::LogError;
use crate::log::Log;
use crate::settings::LogSettings;

/// How long to wait between two attempts to reach the log for the first time.
const PAUSE: Duration = Duration::from_millis(500);

/// How a log stands; where something is missing, what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogState {
    /// The connection.
    pub connection: Result<(), &'static str>,
    /// The shard map.
    pub map: Result<(), &'static str>,
}

/// The log's tasks have ended, so nothing more will be told about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log is no longer followed")]
pub struct NotFollowed;

impl Log {
    /// Connects, however long it takes. `failed` is told why an attempt has failed.
    pub async fn reach(settings: &LogSettings, failed: impl Fn(String)) -> Self {
        loop {
            match Self::connect(settings.clone()).await {
                Ok(log) => {
                    info!("connected to the log");
                    return log;
                }
                Err(error) => {
                    // That it is away is told by the service's health; anything else wants somebody.
                    if !matches!(error, LogError::Unreachable { .. }) {
                        error!(%error, "the log cannot be used as it is");
                    }
                    failed(error.to_string());
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// Tells how the log stands, now and at every change.
    ///
    /// # Errors
    /// [`NotFollowed`]. It does not end otherwise.
    pub async fn follow(&self, tell: impl Fn(LogState)) -> Result<(), NotFollowed> {
        let (mut connected, mut map) = (self.connected(), self.map());
        loop {
            let (is_connected, has_map) = (*connected.borrow_and_update(), map.borrow_and_update().is_some());
            tell(LogState {
                connection: is_connected.then_some(()).ok_or("not connected"),
                map: has_map.then_some(()).ok_or("no writer has made it yet"),
            });
            tokio::select! {
                changed = connected.changed() => changed.map_err(|_| NotFollowed)?,
                changed = map.changed() => changed.map_err(|_| NotFollowed)?,
            }
        }
    }
}
