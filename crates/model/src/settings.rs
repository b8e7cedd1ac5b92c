//! What holds for a whole system, and not for one process: it stands in the map, and changes with it.

use serde::{Deserialize, Serialize};

use crate::currency::Currency;
use crate::view::state::SystemViews;
use crate::view::{DEFAULT_VIEWS, ViewSet};

/// The settings of a system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemSettings {
    /// The fields that orders are read by.
    pub views: SystemViews,
    /// What orders are in that name no currency.
    pub currency: Currency,
    /// How the log's streams are made.
    pub streams: StreamLimits,
}

/// How the log's streams are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamLimits {
    /// The most bytes of one stream. A full stream refuses frames.
    pub bytes_max: u64,
    /// How many servers keep each stream.
    pub replicas: u8,
}

impl SystemSettings {
    /// Those of a new system with these views.
    pub fn with_views(views: &ViewSet) -> Self {
        Self { views: SystemViews::first(views), currency: Currency::DEFAULT, streams: StreamLimits::default() }
    }
}

impl Default for SystemSettings {
    /// Those of a system where nothing else is said.
    fn default() -> Self {
        Self::with_views(&DEFAULT_VIEWS.parse().expect("they are views"))
    }
}

impl Default for StreamLimits {
    /// 1 GiB, on one server.
    fn default() -> Self {
        Self { bytes_max: 1 << 30, replicas: 1 }
    }
}
