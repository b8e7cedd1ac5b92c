//! How a pool behaves.

use std::time::Duration;

use crate::connection::session::SessionSettings;

/// How a pool behaves.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// How its sessions are named in `pg_stat_activity`.
    pub application_name: String,
    /// The most connections to one server.
    pub connections_max: u32,
    /// The longest that [`ShardPool::acquire`] waits for one server.
    pub acquire_timeout: Duration,
    /// The longest a statement may run.
    pub statement_timeout: Duration,
    /// Further settings of its sessions, such as `("plan_cache_mode", "force_generic_plan")`.
    pub parameters: Vec<(&'static str, &'static str)>,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            application_name: "forebay".to_owned(),
            connections_max: 16,
            acquire_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(10),
            parameters: Vec::new(),
        }
    }
}

impl PoolSettings {
    pub(super) fn session(&self) -> SessionSettings {
        SessionSettings {
            application_name: self.application_name.clone(),
            statement_timeout: self.statement_timeout,
            lock_timeout: self.statement_timeout,
            parameters: self.parameters.clone(),
        }
    }
}
