//! The rows of a query, read through a cursor: a database holds no more of them than it must, and neither does this process.
//!
//! All rows are of one moment: they are read in one transaction, which only reads. Values come as texts, as Postgres writes
//! them: times as ISO 8601 in UTC, decimals as they are, so a map reads them as it reads a table.

use std::io;
use std::str::FromStr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use csv::ByteRecord;
use forebay_service::BadSetting;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Connection, Row, ValueRef};

use super::{RowPlace, Rows};

/// How many rows are fetched at once.
const FETCHED: u32 = 2000;
/// How many fetches are waiting.
const AHEAD: usize = 2;

/// A query, and where it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    options: PgOptions,
    sql: String,
    /// The column that rows are ordered by, and gone on behind.
    key: Option<String>,
    /// Rows up to this key are left out.
    after: Option<String>,
}

/// Where a query is asked; its password is in no text.
#[derive(Clone)]
struct PgOptions(PgConnectOptions);

/// The rows of a query.
pub(crate) struct QueryRows {
    batches: Receiver<io::Result<Vec<ByteRecord>>>,
    /// What is in hand, the next one last.
    rows: Vec<ByteRecord>,
    count: u64,
    key_at: Option<usize>,
    key: Option<String>,
}

impl std::fmt::Debug for PgOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}/{}", self.0.get_host(), self.0.get_port(), self.0.get_database().unwrap_or_default())
    }
}

impl PartialEq for PgOptions {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

impl Eq for PgOptions {}

impl Query {
    /// # Errors
    /// [`BadSetting`] where the address is not valid.
    pub(crate) fn new(url: &str, sql: &str, key: Option<&str>) -> Result<Self, BadSetting> {
        let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
        let options = PgConnectOptions::from_str(url).ok().filter(|_| is_postgres);
        let expected = "--from: expected an address such as postgres://user@host:5432/database";
        let options = options.ok_or_else(|| BadSetting::new(expected))?;
        let sql = sql.trim().trim_end_matches(';').to_owned();
        if sql.is_empty() {
            return Err(BadSetting::new("--query is empty"));
        }
        Ok(Self { options: PgOptions(options), sql, key: key.map(str::to_owned), after: None })
    }

    /// What tells it from other queries: where it is asked, and its text.
    pub(crate) fn name(&self) -> String {
        format!("{:?}: {}", self.options, self.sql)
    }

    /// What messages call it.
    pub(crate) fn title(&self) -> String {
        format!("the query at {:?}", self.options)
    }

    pub(crate) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// The rows behind that key.
    pub(crate) fn after(&self, key: Option<String>) -> Self {
        Self { after: key, ..self.clone() }
    }

    /// The statement that its cursor is declared for.
    fn statement(&self) -> String {
        let Some(key) = &self.key else { return self.sql.clone() };
        let key = format!("forebay_rows.\"{}\"", key.replace('"', "\"\""));
        let behind = self.after.as_ref().map(|after| format!(" where {key} > '{}'", after.replace('\'', "''")));
        format!("select * from ({}) as forebay_rows{} order by {key}", self.sql, behind.unwrap_or_default())
    }

    /// Asks it. Gives its rows, and the names of their columns; nothing where there are no rows.
    ///
    /// # Errors
    /// When the database does not answer, or refuses the query.
    pub(crate) fn open(&self) -> io::Result<Option<(QueryRows, ByteRecord)>> {
        let (send, batches) = sync_channel(AHEAD);
        let query = self.clone();
        std::thread::Builder::new().name("query".to_owned()).spawn(move || run(&query, &send))?;
        // The names of the columns come first.
        let mut first = batches.recv().map_err(|_| io::Error::other("the query ended at once"))??;
        let Some(header) = first.pop() else { return Ok(None) };
        let key_at = match &self.key {
            Some(key) => Some(
                header
                    .iter()
                    .position(|name| name == key.as_bytes())
                    .ok_or_else(|| io::Error::other(format!("the query has no column `{key}`")))?,
            ),
            None => None,
        };
        Ok(Some((QueryRows { batches, rows: Vec::new(), count: 0, key_at, key: None }, header)))
    }
}

fn run(query: &Query, send: &SyncSender<io::Result<Vec<ByteRecord>>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let read = match runtime {
        Ok(runtime) => runtime.block_on(read(query, send)).map_err(|error| io::Error::other(explain(&error))),
        Err(error) => Err(error),
    };
    if let Err(error) = read {
        // Nobody waits for it where reading has ended.
        let _ = send.send(Err(error));
    }
}

async fn read(query: &Query, send: &SyncSender<io::Result<Vec<ByteRecord>>>) -> sqlx::Result<()> {
    let mut connection = query.options.0.clone().disable_statement_logging().connect().await?;
    let begin = "begin isolation level repeatable read read only; set local datestyle = 'ISO'; set local timezone = 'UTC'; \
        set local extra_float_digits = 1";
    sqlx::raw_sql(begin).execute(&mut connection).await?;
    let declare = format!("declare forebay_cursor no scroll cursor for {}", query.statement());
    sqlx::raw_sql(AssertSqlSafe(declare)).execute(&mut connection).await?;
    let mut is_first = true;
    loop {
        let rows = fetch(&mut connection).await?;
        if let Some(row) = rows.first().filter(|_| is_first) {
            let header = row.columns().iter().map(Column::name).collect::<Vec<_>>();
            is_first = false;
            if send.send(Ok(vec![ByteRecord::from(header)])).is_err() {
                break;
            }
        }
        let is_last = rows.is_empty();
        let records = rows.iter().rev().map(record).collect::<sqlx::Result<Vec<_>>>()?;
        if send.send(Ok(records)).is_err() || is_last {
            break;
        }
    }
    connection.close().await
}

async fn fetch(connection: &mut PgConnection) -> sqlx::Result<Vec<PgRow>> {
    let fetch = format!("fetch {FETCHED} from forebay_cursor");
    sqlx::raw_sql(AssertSqlSafe(fetch)).fetch_all(connection).await
}

/// The values of a row; what is null stands empty, as it does in CSV.
fn record(row: &PgRow) -> sqlx::Result<ByteRecord> {
    let mut record = ByteRecord::new();
    for column in 0..row.len() {
        let value = row.try_get_raw(column)?;
        let text = if value.is_null() { "" } else { value.as_str().map_err(sqlx::Error::Decode)? };
        record.push_field(text.as_bytes());
    }
    Ok(record)
}

fn explain(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => format!("the database refuses the query: {}", error.message()),
        other => format!("the database cannot be read: {other}"),
    }
}

impl Rows for QueryRows {
    fn next(&mut self, row: &mut ByteRecord) -> io::Result<Option<RowPlace>> {
        if self.rows.is_empty() {
            match self.batches.recv() {
                Ok(batch) => self.rows = batch?,
                Err(_) => return Ok(None),
            }
        }
        let Some(next) = self.rows.pop() else { return Ok(None) };
        *row = next;
        self.count += 1;
        self.key = self.key_at.and_then(|at| row.get(at)).map(|key| String::from_utf8_lossy(key).into_owned());
        Ok(Some(RowPlace { line: self.count, is_late: false }))
    }

    fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_goes_on_behind_its_key_and_is_quoted() {
        let query = Query::new("postgres://me:secret@h:1/d", "select * from o;\n", Some("i\"d")).unwrap();
        assert_eq!(
            query.statement(),
            "select * from (select * from o) as forebay_rows order by forebay_rows.\"i\"\"d\""
        );
        let behind = query.after(Some("O'Hara".to_owned()));
        assert!(behind.statement().contains("where forebay_rows.\"i\"\"d\" > 'O''Hara' order by"));
        assert!(!format!("{query:?} {} {}", query.name(), query.title()).contains("secret"));
        assert!(
            Query::new("mysql://x", "select 1", None).is_err() && Query::new("postgres://h/d", " ; ", None).is_err()
        );
    }
}
