//! The record of what operators have done, as a shard has it. Rows are only ever added: the database refuses all else.

use std::str::FromStr;

use forebay_model::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::timestamptz::Timestamptz;

/// How far an act is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It is about to be done; where nothing follows, it was cut off or is still going on.
    Begun,
    /// It is done.
    Done,
    /// It could not be done, or not wholly.
    Failed,
}

/// What is recorded of an act.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// Which act, of all shards: a UUID.
    pub act: &'a str,
    /// How far it is.
    pub stage: Stage,
    /// Which command of `forebay`.
    pub command: &'a str,
    /// The text of a JSON object: what was asked for, or what was done.
    pub detail: &'a str,
    /// Who does it, by the operating system.
    pub by_user: &'a str,
    /// On which machine.
    pub by_host: &'a str,
}

/// A row of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Which act, of all shards: a UUID.
    pub act: String,
    /// When, by the shard's clock.
    pub at: Timestamp,
    /// How far it was.
    pub stage: Stage,
    /// Which command of `forebay`.
    pub command: String,
    /// The text of a JSON object.
    pub detail: String,
    /// Who, by the operating system.
    pub by_user: String,
    /// On which machine.
    pub by_host: String,
    /// Who, by the database.
    pub db_user: String,
    /// From where, by the database.
    pub db_address: Option<String>,
}

impl Stage {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = [Self::Begun, Self::Done, Self::Failed].into_iter().find(|stage| stage.as_str() == text);
        found.ok_or_else(|| format!("there is no stage {text:?}"))
    }
}

impl Record<'_> {
    /// Adds it.
    ///
    /// # Errors
    /// What the shard says.
    pub async fn add(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        const SQL: &str = "insert into audit (act, stage, command, detail, by_user, by_host) \
            values ($1::uuid, $2, $3, $4::jsonb, $5, $6)";
        sqlx::query(SQL)
            .bind(self.act)
            .bind(self.stage.as_str())
            .bind(self.command)
            .bind(self.detail)
            .bind(self.by_user)
            .bind(self.by_host)
            .execute(connection)
            .await?;
        Ok(())
    }
}

impl Recorded {
    /// The acts of which something was recorded at a time or later.
    ///
    /// # Errors
    /// What the shard says.
    pub async fn acts_since(connection: &mut PgConnection, since: Timestamp) -> Result<Vec<String>, sqlx::Error> {
        let sql = "select distinct act::text from audit where at >= $1";
        sqlx::query_scalar(sql).bind(Timestamptz(since)).fetch_all(connection).await
    }

    /// All that was recorded of acts, oldest first.
    ///
    /// # Errors
    /// What the shard says.
    pub async fn of_acts(connection: &mut PgConnection, acts: &[String]) -> Result<Vec<Self>, sqlx::Error> {
        const SQL: &str = "select act::text as act, at, stage, command, detail::text as detail, by_user, by_host, db_user, \
            host(db_address) as db_address from audit where act = any($1::text[]::uuid[]) order by at, id";
        let rows = sqlx::query(SQL).bind(acts).fetch_all(connection).await?;
        let wrong = |error: String| sqlx::Error::Decode(error.into());
        rows.iter()
            .map(|row| {
                let stage: String = row.try_get("stage")?;
                Ok(Self {
                    act: row.try_get("act")?,
                    at: row.try_get::<Timestamptz, _>("at")?.0,
                    stage: stage.parse().map_err(wrong)?,
                    command: row.try_get("command")?,
                    detail: row.try_get("detail")?,
                    by_user: row.try_get("by_user")?,
                    by_host: row.try_get("by_host")?,
                    db_user: row.try_get("db_user")?,
                    db_address: row.try_get("db_address")?,
                })
            })
            .collect()
    }
}
