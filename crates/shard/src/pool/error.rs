//! Why a shard, or one of its servers, gives no answer.

use std::time::Duration;

use forebay_model::ShardId;
use tracing::{debug, error};

use crate::connection::sqlstate::ErrorClass;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// No server can be connected to.
    #[error("shard {shard} cannot be reached: {reason}")]
    Unreachable {
        /// Which shard.
        shard: ShardId,
        /// What each address said.
        reason: String,
    },
    /// The database at an address is somebody else's.
    #[error("shard {shard} cannot be read: {reason}")]
    Foreign {
        /// Which shard was asked for.
        shard: ShardId,
        /// The address, and whose it is.
        reason: String,
    },
    /// The server answers, and every connection that the pool may have is in use.
    #[error("every connection to shard {shard} is in use")]
    Busy {
        /// Which shard.
        shard: ShardId,
    },
    /// The time was over before the answer was read.
    #[error("shard {shard} did not answer within {} ms", .within.as_millis())]
    Slow {
        /// Which shard.
        shard: ShardId,
        /// The time that it had.
        within: Duration,
    },
    /// A statement failed.
    #[error("shard {shard} failed: {error}")]
    Failed {
        /// Which shard.
        shard: ShardId,
        /// How.
        error: sqlx::Error,
    },
    /// The shard map does not have it, or does not say where it is.
    #[error("there is no shard {0}, as far as the shard map says")]
    Unknown(ShardId),
}

impl ShardError {
    /// The rows of a list are not in the order that was asked for.
    pub fn out_of_order(shard: ShardId) -> Self {
        let error = sqlx::Error::Decode("rows that are not in the order that was asked for".into());
        Self::Failed { shard, error }
    }

    /// Which shard.
    pub fn shard(&self) -> ShardId {
        match self {
            Self::Unreachable { shard, .. }
            | Self::Foreign { shard, .. }
            | Self::Busy { shard }
            | Self::Slow { shard, .. }
            | Self::Failed { shard, .. }
            | Self::Unknown(shard) => *shard,
        }
    }

    /// Every class that metrics know.
    pub fn classes() -> impl Iterator<Item = &'static str> {
        let of_statements = ErrorClass::ALL.iter().map(|class| class.as_str());
        ["unreachable", "foreign", "busy", "slow", "unknown"].into_iter().chain(of_statements)
    }

    /// Its class in metrics.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Foreign { .. } => "foreign",
            Self::Busy { .. } => "busy",
            Self::Slow { .. } => "slow",
            Self::Failed { error, .. } => ErrorClass::of(error).as_str(),
            Self::Unknown(_) => "unknown",
        }
    }

    /// Whether the shard, and not the question, is at fault: another server, or none, may answer instead.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Failed { error, .. } => {
                !matches!(ErrorClass::of(error), ErrorClass::Internal | ErrorClass::Data | ErrorClass::Duplicate)
            }
            Self::Unreachable { .. }
            | Self::Foreign { .. }
            | Self::Busy { .. }
            | Self::Slow { .. }
            | Self::Unknown(_) => true,
        }
    }

    /// Whether the same on a new connection may succeed at once.
    pub(crate) fn is_broken_connection(&self) -> bool {
        matches!(self, Self::Failed { error, .. } if ErrorClass::of(error).is_broken_connection())
    }

    /// Logs it, where it is handled. That a server is down is said once, by the pool; so an outage is no news here.
    pub fn log(&self) {
        let (shard, class) = (self.shard(), self.class());
        if self.is_outage() {
            debug!(%shard, class, "a shard gave no rows: {self}");
        } else {
            error!(%shard, class, "a shard refused a read: {self}");
        }
    }
}
