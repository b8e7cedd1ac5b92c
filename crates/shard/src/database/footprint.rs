//! What the database takes, and where on a disk it lies.

use sqlx::Row;
use sqlx::postgres::PgConnection;

/// What a shard's database takes on its server's disk.
#[derive(Clone, Debug)]
pub struct Footprint {
    /// Bytes of the database.
    pub bytes: u64,
    /// The server's directory; a role that may not see it is told none.
    pub data_directory: Option<String>,
    /// When the server started, in seconds since 1970.
    pub started_s: f64,
    /// The port of this connection; `None` on a Unix socket.
    pub port: Option<i32>,
}

impl Footprint {
    /// Asks the server.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        const SQL: &str = "select pg_database_size(current_database()) as bytes, \
            (select setting from pg_settings where name = 'data_directory') as data_directory, \
            extract(epoch from pg_postmaster_start_time())::float8 as started_s, inet_server_port() as port";
        let row = sqlx::query(SQL).fetch_one(connection).await?;
        Ok(Self {
            bytes: row.try_get::<i64, _>("bytes")?.unsigned_abs(),
            data_directory: row.try_get("data_directory")?,
            started_s: row.try_get("started_s")?,
            port: row.try_get("port")?,
        })
    }
}
