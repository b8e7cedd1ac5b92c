//! The tables of a shard, brought up to what this version needs.

use std::time::Duration;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::PgConnection;

use crate::connection::address::{ShardAddress, ShardAddresses};
use crate::connection::identity::Identity;
use crate::connection::session::{ConnectError, SessionSettings, connect_primary};

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
    /// It cannot be written whose the database is.
    #[error("the shard cannot be taken in: {0}")]
    TakenIn(#[from] sqlx::Error),
}

/// Runs the migrations that the shard does not have yet, and takes its database in where nobody has: from then on it knows of which
/// system and which shard it is, as far as the addresses tell ([`crate::ShardArgs::of_map`]). Safe when several processes do it at once: one waits for the other.
pub async fn migrate(addresses: &ShardAddresses) -> Result<(), MigrationError> {
    let settings = SessionSettings {
        application_name: "forebay-migrate".to_owned(),
        statement_timeout: STATEMENT_MAX,
        lock_timeout: LOCK_MAX,
        ..SessionSettings::default()
    };
    let (mut connection, address) = connect_primary(addresses, &settings).await?;
    migrator().run_direct(None, &mut connection, false).await?;
    let Some(expected) = addresses.iter().next().map(ShardAddress::expected) else { return Ok(()) };
    if let Some((identity, routing)) = expected.identity() {
        identity.write(routing, &mut connection).await?;
        // Of two systems that take it in at once one is the first.
        let found = Identity::read(&mut connection).await?;
        expected.check(found).map_err(|foreign| ConnectError::foreign(address, foreign))?;
    }
    Ok(())
}

/// How a shard's tables compare with what this version would make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MigrationState {
    /// The newest migration that this version has.
    pub newest: i64,
    /// Those that the shard does not have yet.
    pub missing: Vec<i64>,
    /// Those that were another text when the shard had them, or failed half way.
    pub altered: Vec<i64>,
}

impl MigrationState {
    /// Reads it from a shard. Changes nothing.
    ///
    /// # Errors
    /// What the shard says.
    pub async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        const THERE: &str = "select to_regclass('_sqlx_migrations') is not null";
        const SQL: &str = "select version, checksum, success from _sqlx_migrations";
        let is_there: bool = sqlx::query_scalar(THERE).fetch_one(&mut *connection).await?;
        let applied: Vec<(i64, Vec<u8>, bool)> =
            if is_there { sqlx::query_as(SQL).fetch_all(connection).await? } else { Vec::new() };
        let mut state = Self::default();
        for wanted in migrator().iter() {
            state.newest = state.newest.max(wanted.version);
            match applied.iter().find(|(version, ..)| *version == wanted.version) {
                None => state.missing.push(wanted.version),
                Some((_, checksum, succeeded)) if !succeeded || **checksum != *wanted.checksum => {
                    state.altered.push(wanted.version);
                }
                Some(_) => {}
            }
        }
        Ok(state)
    }
}

/// The newest migration.
pub const TABLES_VERSION: usize = 17;

macro_rules! migration {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../migrations/", $name, ".sql")))
    };
}

/// The migrations in their order: name of the file, without its ending, and text. They are listed here because the macro of
/// sqlx that lists a folder compiles the driver, with its TLS, a second time for the compiler.
const MIGRATIONS: [(&str, &str); TABLES_VERSION] = [
    migration!("0001_orders"),
    migration!("0002_positions"),
    migration!("0003_dead_letter"),
    migration!("0004_log_loss"),
    migration!("0005_backfill"),
    migration!("0006_order_index"),
    migration!("0007_order_views"),
    migration!("0008_control"),
    migration!("0009_identity"),
    migration!("0010_questions"),
    migration!("0011_events"),
    migration!("0012_audit"),
    migration!("0013_units"),
    migration!("0014_view_sums_by_day"),
    migration!("0015_units_mark"),
    migration!("0016_buckets"),
    migration!("0017_comments"),
];

/// A shard may be ahead of this process: migrations expand first, so an older version goes on working.
fn migrator() -> Migrator {
    let migrations = MIGRATIONS.iter().zip(1..).map(|((name, text), version)| {
        let description = name.split_once('_').map_or(*name, |(_, words)| words).replace('_', " ");
        Migration::new(version, description.into(), MigrationType::Simple, text.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.set_ignore_missing(true);
    migrator
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_that_is_not_listed_or_out_of_order_would_not_be_run() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
        let files = std::fs::read_dir(folder).expect("the folder is there");
        let mut files: Vec<_> = files.map(|file| file.expect("a file").file_name().into_string()).collect();
        files.sort();
        let listed = MIGRATIONS.map(|(name, _)| Ok(format!("{name}.sql")));
        assert_eq!(files, listed);
        for (migration, (name, _)) in migrator().iter().zip(MIGRATIONS) {
            assert!(name.starts_with(&format!("{:04}_", migration.version)), "{name} is run as {}", migration.version);
        }
    }
}
