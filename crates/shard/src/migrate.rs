//! The tables of a shard, brought up to what this version needs.

use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};

use crate::address::ShardAddresses;
use crate::session::{ConnectError, SessionSettings, connect_primary};

/// A migration may rewrite a large table.
const STATEMENT_MAX: Duration = Duration::from_hours(1);
/// Another process that migrates the same shard holds the migrations' lock.
const LOCK_MAX: Duration = Duration::from_mins(1);

/// Why a shard is not migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// No primary could be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A migration failed, or what is there is not what this version has made.
    #[error("the shard's tables cannot be migrated: {0}")]
    Migrate(#[from] MigrateError),
}

/// Runs the migrations that the shard does not have yet. Safe when several processes do it at once: one waits for the other.
pub async fn migrate(addresses: &ShardAddresses) -> Result<(), MigrationError> {
    let settings = SessionSettings {
        application_name: "forebay-migrate".to_owned(),
        statement_timeout: STATEMENT_MAX,
        lock_timeout: LOCK_MAX,
        ..SessionSettings::default()
    };
    let (mut connection, _) = connect_primary(addresses, &settings).await?;
    Ok(migrator().run_direct(None, &mut connection, false).await?)
}

/// A shard may be ahead of this process: migrations expand first, so an older version goes on working.
fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("../../migrations");
    migrator.set_ignore_missing(true);
    migrator
}
