//! What a shard says of each unit whose facts come by one of its streams, as the writer of that stream knows it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forebay_model::ownership::{Ownership, RowFate, Unit, VERSION};
use forebay_model::{Bucket, Incarnation, Position, ShardId, ShardMap, StreamKind};
use sqlx::Row;
use sqlx::postgres::PgConnection;

/// One bit a bucket.
const WORDS: usize = 4096 / 64;

/// All that a shard says of units, of one kind of streams.
#[derive(Clone, Debug)]
pub(crate) struct Units {
    stream: StreamKind,
    here: ShardId,
    map: Arc<ShardMap>,
    /// The making of the stream that is read.
    incarnation: Incarnation,
    /// Those of which something was said, or of which rows were sent on.
    said: BTreeMap<Bucket, Ownership>,
    /// Those of which rows are parked.
    parked: BTreeSet<Bucket>,
    /// Those of which nothing is left that is nobody's, as far as is known.
    clean: BTreeSet<Bucket>,
    /// Those whose rows are decided here: what is asked of every row.
    decided: [u64; WORDS],
}

impl Units {
    /// Reads what is said of the units of a stream, in that making of it.
    pub(crate) async fn read(
        connection: &mut PgConnection,
        stream: StreamKind,
        here: ShardId,
        map: Arc<ShardMap>,
        incarnation: Incarnation,
    ) -> Result<Self, sqlx::Error> {
        const SAID: &str = "select bucket, version, said::text from unit_owner where stream = $1";
        const PARKED: &str = "select distinct bucket from parked where stream = $1";
        let mut units = Self {
            stream,
            here,
            map,
            incarnation,
            said: BTreeMap::new(),
            parked: BTreeSet::new(),
            clean: BTreeSet::new(),
            decided: [0; WORDS],
        };
        for row in sqlx::query(SAID).bind(stream.as_str()).fetch_all(&mut *connection).await? {
            units.said.insert(bucket(row.try_get(0)?)?, ownership(row.try_get(1)?, row.try_get(2)?)?);
        }
        for number in sqlx::query_scalar(PARKED).bind(stream.as_str()).fetch_all(connection).await? {
            units.parked.insert(bucket(number)?);
        }
        for bucket in Bucket::all() {
            units.remember(bucket);
        }
        Ok(units)
    }

    /// Goes by another map. It only matters to units of which nothing was ever said, or of which a shard says something that is gone.
    pub(crate) fn follow(&mut self, map: Arc<ShardMap>) {
        self.map = map;
    }

    /// Whether the rows of a bucket are decided here.
    pub(crate) fn decides(&self, bucket: Bucket) -> bool {
        let number = usize::from(bucket.number());
        self.decided[number / 64] & (1 << (number % 64)) != 0
    }

    /// What the shard says of a bucket.
    pub(crate) fn of(&self, bucket: Bucket) -> Ownership {
        let said = self.said.get(&bucket).cloned().unwrap_or_else(|| self.at_first(bucket));
        self.map.read(Unit::of(self.stream, bucket), said)
    }

    /// What becomes of a row of a bucket.
    pub(crate) fn fate(&self, bucket: Bucket) -> RowFate {
        self.of(bucket).row(self.here, self.map.shard(self.stream, bucket), self.parked.contains(&bucket))
    }

    /// Whether any row of a bucket is parked.
    pub(crate) fn has_parked(&self, bucket: Bucket) -> bool {
        self.parked.contains(&bucket)
    }

    /// The buckets whose parked rows can be sent on, and where to.
    pub(crate) fn to_be_sent(&self) -> Vec<(Bucket, ShardId)> {
        let to = |&bucket: &Bucket| {
            let to = self.of(bucket).sends_to(self.here, self.map.shard(self.stream, bucket))?;
            Some((bucket, to))
        };
        self.parked.iter().filter_map(to).collect()
    }

    /// What is said of a bucket from now on.
    pub(crate) fn note(&mut self, bucket: Bucket, ownership: Ownership) {
        self.said.insert(bucket, ownership);
        self.clean.remove(&bucket);
        self.remember(bucket);
    }

    /// A bucket whose rows are nobody's here, some of which may be left.
    pub(crate) fn to_be_cleaned(&self) -> Option<Bucket> {
        let said = self.said.iter().filter(|(_, said)| said.may_delete()).map(|(&bucket, _)| bucket);
        said.into_iter().find(|bucket| !self.clean.contains(bucket))
    }

    /// Nothing of a bucket is left here.
    pub(crate) fn note_clean(&mut self, bucket: Bucket) {
        self.clean.insert(bucket);
    }

    /// Whether any row of a bucket is parked from now on.
    pub(crate) fn note_parked(&mut self, bucket: Bucket, is_any: bool) {
        if is_any {
            self.parked.insert(bucket);
        } else {
            self.parked.remove(&bucket);
        }
    }

    /// Of a unit of which nothing was ever said, it is known whose it was when the system began, by every map; so a shard that is set back to any
    /// time says the same of it.
    fn at_first(&self, bucket: Bucket) -> Ownership {
        at_first(&self.map, self.here, bucket, self.incarnation)
    }

    fn remember(&mut self, bucket: Bucket) {
        let number = usize::from(bucket.number());
        let is_decided = matches!(self.fate(bucket), RowFate::Decide { .. });
        let bit = 1 << (number % 64);
        if is_decided {
            self.decided[number / 64] |= bit;
        } else {
            self.decided[number / 64] &= !bit;
        }
    }
}

/// What a shard says of a bucket of which nothing was ever said to it, where its stream is of that making.
pub(crate) fn at_first(map: &ShardMap, here: ShardId, bucket: Bucket, incarnation: Incarnation) -> Ownership {
    if map.founder(bucket) == here {
        Ownership::first(ShardMap::FIRST_EPOCH, Position { incarnation, seq: 0 })
    } else {
        Ownership::default()
    }
}

/// What was said of a bucket, where anything was.
pub(crate) async fn said(
    connection: &mut PgConnection,
    stream: StreamKind,
    bucket: Bucket,
) -> Result<Option<Ownership>, sqlx::Error> {
    const SQL: &str = "select version, said::text from unit_owner where stream = $1 and bucket = $2";
    let row = sqlx::query(SQL).bind(stream.as_str()).bind(bucket.number().cast_signed()).fetch_optional(connection);
    row.await?.map(|row| ownership(row.try_get(0)?, row.try_get(1)?)).transpose()
}

/// Sets the mark of a stream: to another one than before where what is said of units has changed, or else where there is none. In the transaction that
/// changes it.
pub(crate) async fn mark(
    connection: &mut PgConnection,
    stream: StreamKind,
    has_changed: bool,
) -> Result<(), sqlx::Error> {
    const SQL: &str =
        "update stream_position set units = 1 + (random() * 9e15)::int8 where stream = $1 and (units = 0 or $2)";
    sqlx::query(SQL).bind(stream.as_str()).bind(has_changed).execute(connection).await?;
    Ok(())
}

/// What was said of these buckets, where anything was.
pub(crate) async fn all_said(
    connection: &mut PgConnection,
    stream: StreamKind,
    buckets: &[Bucket],
) -> Result<BTreeMap<Bucket, Ownership>, sqlx::Error> {
    const SQL: &str = "select bucket, version, said::text from unit_owner where stream = $1 and bucket = any ($2)";
    let numbers: Vec<i16> = buckets.iter().map(|bucket| bucket.number().cast_signed()).collect();
    let rows = sqlx::query(SQL).bind(stream.as_str()).bind(numbers).fetch_all(connection).await?;
    let said =
        |row: sqlx::postgres::PgRow| Ok((bucket(row.try_get(0)?)?, ownership(row.try_get(1)?, row.try_get(2)?)?));
    rows.into_iter().map(said).collect()
}

/// Writes what is said of buckets from now on. To be called in a transaction that moves the position, or holds it, and [marks](mark) it.
pub(crate) async fn write(
    connection: &mut PgConnection,
    stream: StreamKind,
    said: &[(Bucket, Ownership)],
) -> Result<(), sqlx::Error> {
    const SQL: &str = "insert into unit_owner (stream, bucket, version, said) \
        select $1, bucket, $2, said::jsonb from unnest($3::int2[], $4::text[]) as new(bucket, said) \
        on conflict (stream, bucket) do update set version = excluded.version, said = excluded.said";
    if said.is_empty() {
        return Ok(());
    }
    let texts: Result<Vec<String>, _> = said.iter().map(|(_, ownership)| serde_json::to_string(ownership)).collect();
    sqlx::query(SQL)
        .bind(stream.as_str())
        .bind(i16::from(VERSION))
        .bind(said.iter().map(|(bucket, _)| bucket.number().cast_signed()).collect::<Vec<_>>())
        .bind(texts.map_err(|error| sqlx::Error::Encode(error.into()))?)
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether anything was ever said to a shard of any unit, or any row of it sent on.
pub async fn has_any_said(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select exists (select from unit_owner)").fetch_one(connection).await
}

/// Whether a shard has ever said anything of the units of a stream, or has rows of it parked.
pub(crate) async fn is_any(connection: &mut PgConnection, stream: StreamKind) -> Result<bool, sqlx::Error> {
    const SQL: &str =
        "select exists (select from unit_owner where stream = $1) or exists (select from parked where stream = $1)";
    sqlx::query_scalar(SQL).bind(stream.as_str()).fetch_one(connection).await
}

pub(crate) fn bucket(number: i16) -> Result<Bucket, sqlx::Error> {
    Bucket::try_from(number.cast_unsigned()).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// What is said by a later version is not passed over.
pub(crate) fn ownership(version: i16, said: &str) -> Result<Ownership, sqlx::Error> {
    if version != i16::from(VERSION) {
        let what = format!("what the shard says of a unit is of version {version}, and {VERSION} is known");
        return Err(sqlx::Error::Decode(what.into()));
    }
    serde_json::from_str(said).map_err(|error| sqlx::Error::Decode(error.into()))
}
