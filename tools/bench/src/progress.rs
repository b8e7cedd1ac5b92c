//! How far the shards of a world are: what each lane has stored, over time.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use forebay_model::StreamKind;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// How often the shards are asked.
const EVERY: Duration = Duration::from_millis(25);
/// A log from which nothing was committed for so long is drained.
const DRAINED_AFTER: Duration = Duration::from_millis(400);
/// How long nothing may be committed.
const PATIENCE: Duration = Duration::from_mins(1);

/// Connections to the shards of a world.
pub struct Progress(Vec<PgConnection>);

/// How many rows of all lanes together are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// This number is stored.
    Stored(u64),
    /// This number is committed, whatever became of it, or more: what is derived again counts again.
    Committed(u64),
}

/// When how many rows were seen, in all lanes together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowsSeen {
    /// When.
    pub at: Instant,
    /// How many.
    pub rows: u64,
}

impl Progress {
    /// Connects to every shard.
    ///
    /// # Errors
    /// Where one cannot be reached.
    pub async fn connect(urls: &[String]) -> Result<Self> {
        let connections = urls.iter().map(|url| PgConnection::connect(url));
        Ok(Self(futures::future::try_join_all(connections).await?))
    }

    /// How many rows are committed, whatever became of them.
    ///
    /// # Errors
    /// What Postgres says.
    pub async fn committed(&mut self) -> Result<u64> {
        self.sum("select coalesce(sum(rows_stored + rows_duplicate + rows_dead), 0)::int8 from lane_tally").await
    }

    /// Of these, how many are stored.
    ///
    /// # Errors
    /// What Postgres says.
    pub async fn stored(&mut self) -> Result<u64> {
        self.sum("select coalesce(sum(rows_stored), 0)::int8 from lane_tally").await
    }

    async fn sum(&mut self, statement: &'static str) -> Result<u64> {
        let mut sum = 0;
        for connection in &mut self.0 {
            let number: i64 = sqlx::query_scalar(statement).fetch_one(connection).await?;
            sum += u64::try_from(number)?;
        }
        Ok(sum)
    }

    /// Waits until that many rows are there, and gives what was seen until then.
    ///
    /// # Errors
    /// Where more are stored, or where nothing happens any more.
    pub async fn wait_for(&mut self, until: Until) -> Result<Vec<RowsSeen>> {
        let mut seen: Vec<RowsSeen> = Vec::new();
        loop {
            let (rows, wanted) = match until {
                Until::Stored(wanted) => (self.stored().await?, wanted),
                Until::Committed(wanted) => (self.committed().await?.min(wanted), wanted),
            };
            let now = RowsSeen { rows, at: Instant::now() };
            ensure!(rows <= wanted, "{rows} rows are stored, more than {wanted}");
            let moved = seen.iter().find(|before| before.rows == rows).map_or(now.at, |before| before.at);
            ensure!(now.at - moved < PATIENCE, "{rows} rows are there, and nothing happens: {until:?}");
            seen.push(now);
            if rows == wanted {
                return Ok(seen);
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Waits until nothing has been committed for a while: the log is drained.
    ///
    /// # Errors
    /// What Postgres says.
    pub async fn wait_until_drained(&mut self) -> Result<()> {
        let mut last = (self.committed().await?, Instant::now());
        while last.1.elapsed() < DRAINED_AFTER {
            tokio::time::sleep(EVERY).await;
            let rows = self.committed().await?;
            if rows != last.0 {
                last = (rows, Instant::now());
            }
        }
        Ok(())
    }

    /// Waits until every stream of every shard is being drained.
    ///
    /// # Errors
    /// Where that takes too long.
    pub async fn wait_until_begun(&mut self) -> Result<()> {
        let shards = self.0.len() as u64;
        // Before the writer has made the tables, nothing can be asked of them.
        self.wait_until("select count(to_regclass('stream_position'))", shards).await?;
        self.wait_until("select count(*) from stream_position", shards * StreamKind::ALL.len() as u64).await
    }

    async fn wait_until(&mut self, statement: &'static str, sum: u64) -> Result<()> {
        let begin = Instant::now();
        while self.sum(statement).await? < sum {
            ensure!(begin.elapsed() < PATIENCE, "the writer has not begun with every stream: `{statement}`");
            tokio::time::sleep(EVERY).await;
        }
        Ok(())
    }
}

/// Runs a statement in the database of an address.
///
/// # Errors
/// What Postgres says.
pub async fn execute(url: &str, statement: &str) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.context("a statement failed")?;
    Ok(connection.close().await?)
}

/// The number that a statement gives in the database of an address.
///
/// # Errors
/// What Postgres says.
pub async fn number(url: &str, statement: &str) -> Result<i64> {
    let mut connection = PgConnection::connect(url).await?;
    let number = sqlx::query_scalar(AssertSqlSafe(statement.to_owned())).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(number)
}
