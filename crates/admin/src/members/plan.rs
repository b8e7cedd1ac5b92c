//! Whether a database can become a shard of a system, and what is left to do for it. It only looks, and changes nothing.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use forebay_log::{Log, LogError};
use forebay_model::{Bucket, Label, Labels, Member, ShardId, ShardMap, StreamId, StreamKind};
use forebay_shard::database::foreign_table;
use forebay_shard::{Identity, MigrationState, PoolSettings, ShardAddresses, ShardError, ShardPool, StreamPosition};
use serde::Serialize;

use crate::doctor::{Check, Verdict, examine_new};
use crate::settings::stored_map;
use crate::system::System;

/// A shard that is to come.
#[derive(Clone, Debug)]
pub struct NewMember {
    /// Where its servers are, the primary's first.
    pub addresses: ShardAddresses,
    /// What it is labelled with.
    pub labels: Vec<Label>,
}

/// One of the things that are done, in this order; each may be done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Its streams are there. First of all, because nobody but the log knows whether it has room for them.
    Streams,
    /// Its database has the tables, and says which shard of which system it is.
    TakeIn,
    /// The map has it: from then on everybody counts on the rest.
    Map,
}

/// What there is to do.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Its number.
    pub shard: ShardId,
    /// Where its servers are, as the map is to have it.
    pub addresses: Vec<String>,
    /// What it is labelled with.
    pub labels: Labels,
    /// The epoch of the map by which this was found.
    pub epoch: u64,
    /// How many buckets of customers it has.
    pub buckets: usize,
    /// How much each of its streams may take.
    pub stream_bytes_max: u64,
    /// What is left to do; nothing where the map has it.
    pub left: Vec<Step>,
    /// What was looked at, each of it well enough.
    pub checks: Vec<Check>,
}

impl Plan {
    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.left.is_empty()
    }
}

/// Looks whether a database can become a shard.
///
/// # Errors
/// What stands against it, in one sentence.
pub async fn plan(system: &System, wanted: &NewMember) -> Result<Plan> {
    plan_by(&system.connect_log().await?, wanted).await
}

pub(super) async fn plan_by(log: &Log, wanted: &NewMember) -> Result<Plan> {
    let map = stored_map(log).await?;
    let member = wanted.member();
    if let Some(shard) =
        map.shards().find(|&shard| map.member(shard).is_some_and(|at| at.addresses == member.addresses))
    {
        return Ok(Plan::new(&map, shard, &member, Vec::new(), Vec::new()));
    }
    let found = CandidateDatabase::read(&wanted.addresses).await?;
    let shard = number(&map, &found, &wanted.addresses)?;
    let checks = examine_new(shard, &wanted.addresses.clone().as_shard(shard, &map)).await;
    refuse_unfit(&checks)?;
    let has_streams = look_at_streams(log, shard).await?;
    let mut left = vec![Step::Map];
    if !has_streams {
        look_at_room(log, &map).await?;
        left.push(Step::Streams);
    }
    if found.identity.is_none() || found.lacks_tables {
        left.push(Step::TakeIn);
    }
    left.sort_unstable();
    Ok(Plan::new(&map, shard, &member, left, checks))
}

impl NewMember {
    /// As the map is to have it.
    pub(super) fn member(&self) -> Member {
        let mut member = Member { addresses: self.addresses.for_map(), ..Member::default() };
        self.labels.iter().cloned().for_each(|label| member.set_label(label));
        member
    }
}

impl Plan {
    fn new(map: &ShardMap, shard: ShardId, member: &Member, left: Vec<Step>, checks: Vec<Check>) -> Self {
        let Member { addresses, labels } = map.member(shard).unwrap_or(member);
        Self {
            shard,
            addresses: addresses.clone(),
            labels: labels.clone(),
            epoch: map.epoch().0,
            buckets: Bucket::all().filter(|&bucket| map.shard(StreamKind::Logged, bucket) == shard).count(),
            stream_bytes_max: map.settings().streams.bytes_max,
            left,
            checks,
        }
    }
}

/// What a database says of itself.
struct CandidateDatabase {
    identity: Option<Identity>,
    lacks_tables: bool,
    /// A table of somebody else.
    other_table: Option<String>,
    /// Whether a log was ever read into it.
    has_position: bool,
}

impl CandidateDatabase {
    async fn read(addresses: &ShardAddresses) -> Result<Self> {
        let settings = PoolSettings {
            application_name: "forebay-shards".to_owned(),
            connections_max: 1,
            acquire_timeout: Duration::from_secs(3),
            ..PoolSettings::default()
        };
        // It has no number yet by which it could be refused.
        let pool = ShardPool::new(ShardId(0), addresses, &settings);
        let read = async {
            let mut connection = pool.acquire().await.map_err(|error| match error {
                ShardError::Unreachable { reason, .. } => anyhow!(reason),
                error => error.into(),
            })?;
            let migrations = MigrationState::read(&mut connection).await?;
            let lacks_tables = !migrations.missing.is_empty();
            let positions = if lacks_tables { Vec::new() } else { StreamPosition::all(&mut connection).await? };
            anyhow::Ok(Self {
                identity: Identity::read(&mut connection).await?,
                lacks_tables,
                other_table: foreign_table(&mut connection).await?,
                has_position: !positions.is_empty(),
            })
        };
        read.await.with_context(|| format!("{addresses} cannot become a shard: it does not answer"))
    }
}

/// The number that the database has, or gets.
fn number(map: &ShardMap, found: &CandidateDatabase, addresses: &ShardAddresses) -> Result<ShardId> {
    let Some(Identity { system, shard }) = found.identity else {
        if let Some(table) = &found.other_table {
            bail!(
                "{addresses} cannot become a shard: it has a table already, {table}; a shard has a database of its own"
            );
        }
        if found.has_position {
            bail!(
                "{addresses} cannot become a shard: a log was read into it already, and it does not say of which system"
            );
        }
        return Ok(map.next_shard());
    };
    if system != map.system() {
        bail!(
            "{addresses} cannot become a shard: it is shard {shard} of another system ({system}), and this one is {}",
            map.system()
        );
    }
    if map.gone(shard).is_some() {
        bail!(
            "{addresses} cannot become a shard: it was shard {shard} of this system, which was removed; make that database anew, and it comes as another"
        );
    }
    match map.member(shard) {
        None if map.shards().all(|known| known != shard) => Ok(shard),
        known => {
            let there = known.map_or_else(|| "elsewhere".to_owned(), |member| member.addresses.join(" | "));
            bail!(
                "{addresses} cannot become a shard: it is shard {shard} of this system already, which the map has at {there}; \
                 `forebay shards set {shard} --address` says that it is here now"
            )
        }
    }
}

/// A shard that comes is as it should be: what would only be a warning elsewhere can still be mended here. But for what says nothing against it.
fn refuse_unfit(checks: &[Check]) -> Result<()> {
    let is_unfit = |check: &&Check| match check.verdict {
        Verdict::Ok => false,
        Verdict::Warning => ["clock", "room", "connections"].contains(&check.check),
        Verdict::Failed => true,
    };
    let Some(Check { subject, check, saw, advice, .. }) = checks.iter().find(is_unfit) else { return Ok(()) };
    let advice = advice.as_deref().unwrap_or("see `forebay doctor`");
    bail!("{subject} cannot come yet: {check}: {saw}; {advice}")
}

/// Whether the shard's streams are there. Those of a shard that was never there have no frames.
async fn look_at_streams(log: &Log, shard: ShardId) -> Result<bool> {
    let mut are_there = true;
    for stream in StreamId::all_of(shard) {
        match log.stream_state(stream).await {
            Ok(state) if state.last_seq > 0 => bail!(
                "shard {shard} cannot come: the stream {stream} is there already and has had {} frames; delete it, if they are nobody's",
                state.last_seq
            ),
            Ok(_) => {}
            Err(LogError::NoStream(_)) => are_there = false,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(are_there)
}

/// Whether the log has room for two more streams.
async fn look_at_room(log: &Log, map: &ShardMap) -> Result<()> {
    let bytes_max = map.settings().streams.bytes_max.saturating_mul(StreamKind::ALL.len() as u64);
    let Ok(room) = log.room().await else { return Ok(()) };
    if let Some(free) = room.max.map(|max| max.saturating_sub(room.used)).filter(|&free| free < bytes_max) {
        bail!(
            "NATS has no room for two more streams of {} bytes each: this account may have {free} more; give it more, or make \
             streams smaller (`forebay settings set stream-bytes-max=…`)",
            map.settings().streams.bytes_max
        );
    }
    Ok(())
}
