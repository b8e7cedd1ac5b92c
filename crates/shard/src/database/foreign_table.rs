//! Tables that are not ours.

use sqlx::postgres::PgConnection;

/// The first table or view of a database that no version of ours has made tables in; `None` where there is none, or ours are there.
///
/// # Errors
/// Where the server does not answer.
pub async fn foreign_table(connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    const SQL: &str = "select relname::text from pg_class where relnamespace = to_regnamespace('public') \
        and relkind in ('r', 'p', 'v', 'm', 'f') and to_regclass('_sqlx_migrations') is null order by 1 limit 1";
    sqlx::query_scalar(SQL).fetch_optional(connection).await
}
