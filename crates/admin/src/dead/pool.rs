//! Connections to the shards' dead letters.

use std::time::Duration;

use forebay_shard::PoolSettings;

pub(super) fn pool_settings() -> PoolSettings {
    PoolSettings {
        application_name: "forebay-dead".to_owned(),
        connections_max: 2,
        acquire_timeout: Duration::from_secs(3),
        ..PoolSettings::default()
    }
}
