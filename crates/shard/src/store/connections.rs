//! The sessions of a store.

use std::time::Duration;

use forebay_model::StreamKind;
use sqlx::postgres::PgConnection;

use crate::connection::address::{ShardAddress, ShardAddresses};
use crate::connection::session::{SessionSettings, connect_primary};
use crate::step::StepError;

/// A statement whose client is gone is ended by the server after this long at the latest.
const STATEMENT_MAX: Duration = Duration::from_secs(30);
/// Somebody may hold a lock on a table for long; the lane tries again rather than stand in the queue and stop others.
const LOCK_MAX: Duration = Duration::from_secs(4);

pub(super) fn session_settings(stream: impl std::fmt::Display, role: &str) -> SessionSettings {
    SessionSettings {
        application_name: format!("forebay-writer {stream} {role}"),
        statement_timeout: STATEMENT_MAX,
        lock_timeout: LOCK_MAX,
        ..SessionSettings::default()
    }
}

/// The session's only joins are from staged rows to their facts by primary key; the staging table has no statistics by
/// which the planner could know, nor has a new partition. (It would take ten thousand facts of one time for one or two, and
/// compare each of them with each staged row.)
pub(super) fn staging_settings(stream: impl std::fmt::Display, role: &str) -> SessionSettings {
    let parameters = vec![
        ("plan_cache_mode", "force_custom_plan"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("enable_seqscan", "off"),
        ("enable_bitmapscan", "off"),
        ("enable_material", "off"),
        ("work_mem", "16MB"),
    ];
    SessionSettings { parameters, ..session_settings(stream, role) }
}

pub(super) async fn connect_writer(address: &ShardAddress, stream: StreamKind) -> Result<PgConnection, StepError> {
    let settings = staging_settings(stream, "commit");
    let addresses = ShardAddresses::from(address.clone());
    let (connection, _) = connect_primary(&addresses, &settings).await.map_err(|error| StepError::connect(&error))?;
    Ok(connection)
}
