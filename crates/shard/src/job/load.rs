//! What buckets weigh.

use std::collections::{BTreeMap, BTreeSet};

use forebay_model::{Bucket, Lane, StreamKind};
use serde::Serialize;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

/// The newest rows of a lane by which it is told how fast buckets grow.
const NEWEST_ROWS: i64 = 200_000;

/// What buckets weigh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// Rows.
    #[default]
    Rows,
    /// Bytes of rows.
    Bytes,
    /// Rows among the newest.
    Rate,
}

/// What a lane has of a bucket.
#[derive(Clone, Copy, Debug, Default)]
pub struct BucketLoad {
    /// How many rows.
    pub rows: u64,
    /// Their bytes, about: the rows' share of the table and its indexes.
    pub bytes: u64,
    /// What they weigh, in the measure that was asked for.
    pub weight: u64,
}

/// What a lane has of each bucket: of all, or of some.
///
/// # Errors
/// Where the shard does not answer.
pub async fn bucket_loads(
    connection: &mut PgConnection,
    lane: Lane,
    measure: Measure,
    only: Option<&BTreeSet<Bucket>>,
) -> Result<Vec<(Bucket, BucketLoad)>, sqlx::Error> {
    let table = lane.table();
    let buckets: Option<Vec<i16>> = only.map(|only| only.iter().map(|bucket| bucket.number().cast_signed()).collect());
    let weight = match measure {
        Measure::Rows => "count(*)",
        Measure::Bytes => "sum(pg_column_size(t.*))::int8",
        Measure::Rate => "0::int8",
    };
    let counts = format!(
        "select bucket, count(*), {weight} from {table} t where $1::int2[] is null or bucket = any ($1) group by bucket"
    );
    let counts: Vec<(i16, i64, i64)> =
        sqlx::query_as(AssertSqlSafe(counts)).bind(&buckets).fetch_all(&mut *connection).await?;
    let size = format!(
        "select coalesce(sum(pg_total_relation_size(relid)), pg_total_relation_size('{table}'))::int8 from pg_partition_tree('{table}')"
    );
    let size: i64 = sqlx::query_scalar(AssertSqlSafe(size)).fetch_one(&mut *connection).await?;
    let all = match &buckets {
        None => counts.iter().map(|(_, rows, _)| rows).sum(),
        Some(_) => {
            let all = format!("select count(*) from {table}");
            sqlx::query_scalar::<_, i64>(AssertSqlSafe(all)).fetch_one(&mut *connection).await?
        }
    };
    let newest = if measure == Measure::Rate { newest(connection, lane).await? } else { BTreeMap::new() };
    let load = |(bucket, rows, weight): (i16, i64, i64)| {
        let weight = newest.get(&bucket).copied().unwrap_or(weight);
        let bytes = i128::from(size) * i128::from(rows) / i128::from(all.max(1));
        let (rows, bytes, weight) = (rows.unsigned_abs(), bytes.unsigned_abs() as u64, weight.unsigned_abs());
        Bucket::new(bucket.cast_unsigned()).map(|bucket| (bucket, BucketLoad { rows, bytes, weight }))
    };
    Ok(counts.into_iter().filter_map(load).collect())
}

/// How many of a lane's newest rows each bucket has.
async fn newest(connection: &mut PgConnection, lane: Lane) -> Result<BTreeMap<i16, i64>, sqlx::Error> {
    let table = lane.table();
    // What is derived has no place in a log of its own shard: there all rows count.
    let newest = match lane.kind() {
        StreamKind::Logged => {
            format!("select bucket from {table} order by place_log desc, place_seq desc limit {NEWEST_ROWS}")
        }
        StreamKind::Derived => format!("select bucket from {table}"),
    };
    let sql = format!("select bucket, count(*) from ({newest}) newest group by bucket");
    let counts: Vec<(i16, i64)> = sqlx::query_as(AssertSqlSafe(sql)).fetch_all(connection).await?;
    Ok(counts.into_iter().collect())
}
