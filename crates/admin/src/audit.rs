//! The record of what operators do. Whatever changes a system, or deletes something of it, is recorded before it is done, and how it ended
//! behind it: who, when, from where, what. An act that cannot be recorded is not done.
//!
//! The record lies in the shards (table `audit`), which are what is backed up: what concerns one shard in that one, and what concerns the
//! system in every shard that answers, as one act.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result};
use forebay_model::{ShardId, Timestamp};
use forebay_shard::audit::{Record, Recorded, Stage};
use forebay_shard::{ErrorClass, PoolSettings, ShardList, ShardPool};
use futures::future::join_all;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::system::System;

/// How long the tables of a shard are waited for, by a command that comes right after the first start of its writer.
const TABLES_WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked whether they are there.
const TABLES_POLL: Duration = Duration::from_millis(50);

/// An act, as it is told.
#[derive(Debug, Clone, Serialize)]
pub struct ActReport {
    /// Which: a UUID.
    pub act: String,
    /// When it began.
    pub begun_at: String,
    /// When it ended; nothing where it was cut off, or is still going on.
    pub ended_at: Option<String>,
    /// How far it is.
    pub stage: Stage,
    /// Which command.
    pub command: String,
    /// What was asked for.
    pub asked: Value,
    /// What was done, or why it was not.
    pub outcome: Option<Value>,
    /// Who, by the operating system.
    pub by_user: String,
    /// On which machine.
    pub by_host: String,
    /// Who, by the database.
    pub db_user: String,
    /// From where, by the database.
    pub db_address: Option<String>,
    /// The shards that have it.
    pub shards: Vec<ShardId>,
}

/// An act that has begun.
struct Act {
    id: String,
    command: &'static str,
    by_user: String,
    by_host: String,
    /// Those that have recorded that it began.
    pools: Vec<ShardPool>,
}

/// Does something that is recorded: of that shard, or of the whole system. `done` says what there is to record of what was done.
///
/// # Errors
/// Where it cannot be recorded, or as what is done.
pub(crate) async fn recorded<T>(
    system: &System,
    shard: Option<ShardId>,
    (command, asked): (&'static str, Value),
    done: impl FnOnce(&T) -> Value,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    recorded_in(system.pools(shard, &pool_settings())?, (command, asked), done, work).await
}

/// The same of what concerns the system and is not in it, such as its clients file: in the shards that are named. Where none are, it is
/// recorded nowhere.
///
/// # Errors
/// As of what is in the system.
pub async fn recorded_beside<T>(
    shards: Option<&ShardList>,
    (command, asked): (&'static str, Value),
    done: impl FnOnce(&T) -> Value,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let Some(shards) = shards else { return work.await };
    let pools = shards.iter().map(|(shard, addresses)| ShardPool::new(shard, addresses, &pool_settings()));
    recorded_in(pools.collect(), (command, asked), done, work).await
}

async fn recorded_in<T>(
    pools: Vec<ShardPool>,
    (command, asked): (&'static str, Value),
    done: impl FnOnce(&T) -> Value,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let act = Act::begin(pools, command, &asked).await?;
    let outcome = work.await;
    let (stage, detail) = match &outcome {
        Ok(value) => (Stage::Done, done(value)),
        Err(error) => (Stage::Failed, json!({"reason": format!("{error:#}")})),
    };
    let ended = act.end(stage, &detail).await;
    let outcome = outcome?;
    ended.with_context(|| format!("{command} is done, and that it is could not be recorded"))?;
    Ok(outcome)
}

impl Act {
    async fn begin(pools: Vec<ShardPool>, command: &'static str, asked: &Value) -> Result<Self> {
        let mut act = Self { id: Uuid::new_v4().to_string(), command, by_user: by_user(), by_host: by_host(), pools };
        let (mut took, mut refused) = (Vec::new(), None);
        for (pool, added) in act.add(Stage::Begun, asked).await {
            match added {
                Ok(()) => took.push(pool),
                Err(error) => refused = Some(error),
            }
        }
        if let (true, Some(error)) = (took.is_empty(), refused) {
            return Err(error.context("what cannot be recorded is not done"));
        }
        act.pools = took;
        Ok(act)
    }

    async fn end(&self, stage: Stage, detail: &Value) -> Result<()> {
        self.add(stage, detail).await.into_iter().try_for_each(|(_, added)| added)
    }

    /// Adds a row to each shard that is to have one, at the same time.
    async fn add(&self, stage: Stage, detail: &Value) -> Vec<(ShardPool, Result<()>)> {
        let detail = detail.to_string();
        let Self { id, command, by_user, by_host, pools } = self;
        let record = Record { act: id, stage, command, detail: &detail, by_user, by_host };
        let add = |pool: &ShardPool| {
            let (pool, record) = (pool.clone(), record.clone());
            async move {
                let added = added(&pool, &record).await;
                let added = added.with_context(|| format!("shard {} has not recorded it", pool.shard()));
                (pool, added)
            }
        };
        join_all(pools.iter().map(add)).await
    }
}

/// Adds a row to a shard, waiting a while for its tables.
async fn added(pool: &ShardPool, record: &Record<'_>) -> Result<()> {
    let begun = Instant::now();
    loop {
        match record.add(&mut *pool.acquire().await?).await {
            Err(error) if ErrorClass::of(&error) == ErrorClass::Schema => {
                if begun.elapsed() > TABLES_WITHIN {
                    return Err(error).context("it has not the tables that its writer makes when it starts");
                }
                sleep(TABLES_POLL).await;
            }
            added => return Ok(added?),
        }
    }
}

/// Every act of which something was done since a time, whole, the newest last.
///
/// # Errors
/// Where a shard cannot be read.
pub async fn list(system: &System, since: Option<Timestamp>) -> Result<Vec<ActReport>> {
    let (pools, since) = (system.pools(None, &pool_settings())?, since.unwrap_or(Timestamp::EARLIEST));
    let said = |pool: &ShardPool| format!("the record of shard {} cannot be read", pool.shard());
    let mut wanted = Vec::new();
    for pool in &pools {
        let read = async { Ok::<_, anyhow::Error>(Recorded::acts_since(&mut *pool.acquire().await?, since).await?) };
        wanted.extend(read.await.with_context(|| said(pool))?);
    }
    // A shard may have the beginning of what another one has the end of.
    let mut acts: BTreeMap<String, Vec<(ShardId, Recorded)>> = BTreeMap::new();
    for pool in &pools {
        let read = async { Ok::<_, anyhow::Error>(Recorded::of_acts(&mut *pool.acquire().await?, &wanted).await?) };
        for row in read.await.with_context(|| said(pool))? {
            acts.entry(row.act.clone()).or_default().push((pool.shard(), row));
        }
    }
    let mut reports: Vec<(Timestamp, ActReport)> = acts.into_values().filter_map(report).collect();
    reports.sort_by_key(|(begun_at, _)| *begun_at);
    Ok(reports.into_iter().map(|(_, report)| report).collect())
}

/// The rows of one act as one.
fn report(mut rows: Vec<(ShardId, Recorded)>) -> Option<(Timestamp, ActReport)> {
    rows.sort_by_key(|(_, row)| (row.stage, row.at));
    let (_, first) = rows.first()?;
    let (_, last) = rows.iter().max_by_key(|(_, row)| row.stage)?;
    let mut shards: Vec<ShardId> = rows.iter().map(|(shard, _)| *shard).collect();
    shards.sort_unstable();
    shards.dedup();
    let detail = |row: &Recorded| serde_json::from_str(&row.detail).unwrap_or(Value::Null);
    let is_over = last.stage != Stage::Begun;
    let report = ActReport {
        act: first.act.clone(),
        begun_at: first.at.to_string(),
        ended_at: is_over.then(|| last.at.to_string()),
        stage: last.stage,
        command: first.command.clone(),
        asked: detail(first),
        outcome: is_over.then(|| detail(last)),
        by_user: first.by_user.clone(),
        by_host: first.by_host.clone(),
        db_user: first.db_user.clone(),
        db_address: first.db_address.clone(),
        shards,
    };
    Some((first.at, report))
}

/// Who runs this program, and for whom.
fn by_user() -> String {
    let uid = fs::metadata("/proc/self").map(|this| this.uid()).ok();
    let user = uid.map_or_else(|| "unknown".to_owned(), |uid| name_of(uid).unwrap_or_else(|| format!("uid {uid}")));
    match env::var("SUDO_USER") {
        Ok(asked_by) if asked_by != user => format!("{user} for {asked_by}"),
        _ => user,
    }
}

fn name_of(uid: u32) -> Option<String> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let mut named = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = named.find(|fields| fields.get(2).is_some_and(|field| *field == uid.to_string()))?;
    found.first().map(|&name| name.to_owned())
}

/// This machine, and the one that its user has come from.
fn by_host() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "unknown" } else { host.trim() };
    match env::var("SSH_CONNECTION").ok().and_then(|from| from.split(' ').next().map(str::to_owned)) {
        Some(from) if !from.is_empty() => format!("{host} from {from}"),
        _ => host.to_owned(),
    }
}

fn pool_settings() -> PoolSettings {
    PoolSettings {
        application_name: "forebay-audit".to_owned(),
        connections_max: 1,
        acquire_timeout: Duration::from_secs(3),
        ..PoolSettings::default()
    }
}
