//! Version, role, settings, connections and clock of a server.

use forebay_model::Timestamp;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::timestamptz::Timestamptz;

/// What a server says of itself.
#[derive(Clone, Debug)]
pub struct ServerReport {
    /// Its version as a number: 150004 is 15.4.
    pub version_num: i32,
    /// Its version for people.
    pub version: String,
    /// Whether it replays another server's log.
    pub is_standby: bool,
    /// The setting of this name.
    pub fsync: String,
    /// The setting of this name.
    pub full_page_writes: String,
    /// The setting of this name.
    pub synchronous_commit: String,
    /// How many connections it takes.
    pub connections_max: i32,
    /// How many are open, to all of its databases.
    pub connections: i64,
    /// How the database writes texts.
    pub encoding: String,
    /// The time zone of this session.
    pub time_zone: String,
}

impl ServerReport {
    /// Asks the server.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        const SQL: &str = "select current_setting('server_version_num')::int4 as version_num, \
            current_setting('server_version') as version, pg_is_in_recovery() as is_standby, \
            current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes, \
            current_setting('synchronous_commit') as synchronous_commit, \
            current_setting('max_connections')::int4 as connections_max, \
            (select sum(numbackends)::int8 from pg_stat_database) as connections, \
            current_setting('server_encoding') as encoding, current_setting('TimeZone') as time_zone";
        let row = sqlx::query(SQL).fetch_one(connection).await?;
        Ok(Self {
            version_num: row.try_get("version_num")?,
            version: row.try_get("version")?,
            is_standby: row.try_get("is_standby")?,
            fsync: row.try_get("fsync")?,
            full_page_writes: row.try_get("full_page_writes")?,
            synchronous_commit: row.try_get("synchronous_commit")?,
            connections_max: row.try_get("connections_max")?,
            connections: row.try_get("connections")?,
            encoding: row.try_get("encoding")?,
            time_zone: row.try_get("time_zone")?,
        })
    }
}

/// What the server's clock says now.
///
/// # Errors
/// Where it does not answer.
pub async fn clock(connection: &mut PgConnection) -> Result<Timestamp, sqlx::Error> {
    let now: Timestamptz = sqlx::query_scalar("select clock_timestamp()").fetch_one(connection).await?;
    Ok(now.0)
}
