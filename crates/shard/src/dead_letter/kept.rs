//! Dead letters as they are kept: to be looked at, requeued and purged.

use std::ops::{Range, RangeInclusive};

use forebay_model::{Epoch, Incarnation, Lane, Position, RequestId, Tenant, Timestamp};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::{LetterFilter, Reason};
use crate::timestamptz::Timestamptz;

/// One dead letter of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its number on its shard.
    pub id: i64,
    /// The lane that it was in.
    pub lane: Lane,
    /// The frame that it stood in.
    pub position: Position,
    /// Its row within the frame, from 0.
    pub row: u32,
    /// How many rows of the log it stands for.
    pub rows: u32,
    /// Why it is dead.
    pub reason: Reason,
    /// What Postgres said, as a code.
    pub sqlstate: Option<String>,
    /// What exactly was wrong.
    pub detail: String,
    /// The fact's tenant, where that can be read. Empty where tenants are not used.
    pub tenant: Option<String>,
    /// The fact's customer, where that can be read.
    pub customer_id: Option<String>,
    /// The fact's order, where that can be read.
    pub order_id: Option<String>,
    /// The fact's time, where that can be read.
    pub ordered_at: Option<Timestamp>,
    /// The bytes as they stood in the log.
    pub tuple: Vec<u8>,
    /// The fact by column as a JSON object, as far as it can be read.
    pub content: Option<String>,
    /// For a conflict: the fact that was stored first, by column.
    pub stored: Option<String>,
    /// The shard map's epoch that it was made under.
    pub epoch: Epoch,
    /// When its frame was made.
    pub enqueued_at: Option<Timestamp>,
    /// When it died.
    pub died_at: Timestamp,
    /// When it was put into the log again.
    pub requeued_at: Option<Timestamp>,
    /// The request that brought it, until it was put into the log again and has had another fate.
    pub request: Option<RequestId>,
}

/// How many letters of a lane died of a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterCount {
    /// The lane.
    pub lane: Lane,
    /// The reason.
    pub reason: Reason,
    /// Letters.
    pub letters: u64,
    /// Rows of the log that they stand for.
    pub rows: u64,
    /// Letters that were put into the log again.
    pub requeued: u64,
}

/// The filter's parameters are $1 to $7.
const MATCHING: &str = "from dead_letter where ($1::text is null or lane = $1) and ($2::text is null or reason = $2) \
    and ($3::timestamptz is null or died_at >= $3) and ($4::timestamptz is null or died_at < $4) \
    and ($5::int8[] is null or id = any($5)) and ($6::bool is null or (requeued_at is not null) = $6) \
    and ($7::text is null or tenant = $7)";

const COLUMNS: &str = "id, lane, incarnation, stream_seq, row_in_frame, rows, reason, sqlstate, detail, tenant, \
    customer_id, order_id, ordered_at, tuple, content::text, stored::text, epoch, enqueued_at, died_at, requeued_at, request";

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

/// A statement over the letters that match; the text around [`MATCHING`] is fixed.
fn matching(text: String, filter: &LetterFilter) -> Query<'static> {
    sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(filter.lane.map(Lane::as_str))
        .bind(filter.reason.map(Reason::as_str))
        .bind(filter.from.map(Timestamptz))
        .bind(filter.to.map(Timestamptz))
        .bind(filter.ids.clone())
        .bind(filter.is_requeued)
        .bind(filter.tenant.as_ref().map(|tenant| tenant.as_str().to_owned()))
}

impl DeadLetter {
    /// The newest letters that match, newest first.
    pub async fn newest(
        connection: &mut PgConnection,
        filter: &LetterFilter,
        limit: i64,
    ) -> Result<Vec<Self>, sqlx::Error> {
        let text = format!("select {COLUMNS} {MATCHING} order by died_at desc, id desc limit $8");
        let rows = matching(text, filter).bind(limit).fetch_all(connection).await?;
        rows.iter().map(Self::from_row).collect()
    }

    /// The letters that match with a higher number than `behind`, by number.
    pub async fn page(
        connection: &mut PgConnection,
        filter: &LetterFilter,
        behind: i64,
        limit: i64,
    ) -> Result<Vec<Self>, sqlx::Error> {
        let text = format!("select {COLUMNS} {MATCHING} and id > $8 order by id limit $9");
        let rows = matching(text, filter).bind(behind).bind(limit).fetch_all(connection).await?;
        rows.iter().map(Self::from_row).collect()
    }

    /// Those of these numbers that letters have.
    pub async fn existing(connection: &mut PgConnection, ids: &[i64]) -> Result<Vec<i64>, sqlx::Error> {
        sqlx::query_scalar("select id from dead_letter where id = any($1)").bind(ids).fetch_all(connection).await
    }

    /// How many letters match, by lane and reason.
    pub async fn counts(connection: &mut PgConnection, filter: &LetterFilter) -> Result<Vec<LetterCount>, sqlx::Error> {
        let text = format!(
            "select lane, reason, count(*), sum(rows)::int8, count(requeued_at) {MATCHING} group by 1, 2 order by 1, 2"
        );
        let rows = matching(text, filter).fetch_all(connection).await?;
        let count = |row: &PgRow| {
            let number = |column: usize| row.try_get::<i64, _>(column).map(i64::cast_unsigned);
            let (lane, reason) = (parsed(row, "lane")?, parsed(row, "reason")?);
            Ok(LetterCount { lane, reason, letters: number(2)?, rows: number(3)?, requeued: number(4)? })
        };
        rows.iter().map(count).collect()
    }

    /// Notes that letters were put into the log again.
    pub async fn mark_requeued(connection: &mut PgConnection, ids: &[i64]) -> Result<(), sqlx::Error> {
        let mark = sqlx::query("update dead_letter set requeued_at = clock_timestamp() where id = any($1)").bind(ids);
        mark.execute(connection).await.map(drop)
    }

    /// Deletes the letters that match, and says how many they were. The counters of the lanes keep what they have counted. Where
    /// only requeued ones are meant, those stay whose rows have not had another fate yet: by them it is seen that they have.
    pub async fn purge(connection: &mut PgConnection, filter: &LetterFilter) -> Result<u64, sqlx::Error> {
        let decided = if filter.is_requeued == Some(true) { " and request is null" } else { "" };
        let deleted = matching(format!("delete {MATCHING}{decided}"), filter).execute(connection).await?;
        Ok(deleted.rows_affected())
    }

    /// Which rows of these frames are dead, by their frames' sequence numbers: those of each letter.
    pub async fn rows_of_frames(
        connection: &mut PgConnection,
        lane: Lane,
        incarnation: Incarnation,
        seqs: RangeInclusive<u64>,
    ) -> Result<Vec<(u64, Range<u32>)>, sqlx::Error> {
        const SQL: &str = "select stream_seq, row_in_frame, rows from dead_letter \
            where lane = $1 and incarnation = $2 and stream_seq between $3 and $4 order by 1, 2";
        let rows = sqlx::query_as::<_, (i64, i32, i32)>(SQL)
            .bind(lane.as_str())
            .bind(incarnation.get().cast_signed())
            .bind(seqs.start().cast_signed())
            .bind(seqs.end().cast_signed())
            .fetch_all(connection)
            .await?;
        let letter = |(seq, row, rows): (i64, i32, i32)| {
            let row = row.cast_unsigned();
            (seq.cast_unsigned(), row..row.saturating_add(rows.cast_unsigned()))
        };
        Ok(rows.into_iter().map(letter).collect())
    }

    /// Which of these facts of a lane lie among the letters, wherever in a log they stood.
    pub async fn among(connection: &mut PgConnection, lane: Lane, facts: &[&[u8]]) -> Result<Vec<bool>, sqlx::Error> {
        const SQL: &str = "select exists (select from dead_letter where lane = $1 and tuple = fact) \
            from unnest($2::bytea[]) with ordinality as wanted(fact, n) order by n";
        sqlx::query_scalar(SQL).bind(lane.as_str()).bind(facts).fetch_all(connection).await
    }

    /// The oldest letters of a lane that are of a customer's order, whatever its time.
    pub async fn of_order(
        connection: &mut PgConnection,
        lane: Lane,
        tenant: &Tenant,
        customer_id: &str,
        order_id: &str,
        limit: i64,
    ) -> Result<Vec<Self>, sqlx::Error> {
        let text = format!(
            "select {COLUMNS} from dead_letter where lane = $1 and tenant = $2 and customer_id = $3 and order_id = $4 \
             order by id limit $5"
        );
        let letters = sqlx::query(sqlx::AssertSqlSafe(text)).bind(lane.as_str()).bind(tenant.as_str());
        letters
            .bind(customer_id)
            .bind(order_id)
            .bind(limit)
            .fetch_all(connection)
            .await?
            .iter()
            .map(Self::from_row)
            .collect()
    }

    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let unsigned = |column: &str| row.try_get::<i64, _>(column).map(i64::cast_unsigned);
        let count = |column: &str| row.try_get::<i32, _>(column).map(i32::cast_unsigned);
        let time = |column: &str| Ok::<_, sqlx::Error>(row.try_get::<Option<Timestamptz>, _>(column)?.map(|at| at.0));
        Ok(Self {
            id: row.try_get("id")?,
            lane: parsed(row, "lane")?,
            position: Position {
                incarnation: Incarnation::new(unsigned("incarnation")?),
                seq: unsigned("stream_seq")?,
            },
            row: count("row_in_frame")?,
            rows: count("rows")?,
            reason: parsed(row, "reason")?,
            sqlstate: row.try_get("sqlstate")?,
            detail: row.try_get("detail")?,
            tenant: row.try_get("tenant")?,
            customer_id: row.try_get("customer_id")?,
            order_id: row.try_get("order_id")?,
            ordered_at: time("ordered_at")?,
            tuple: row.try_get("tuple")?,
            content: row.try_get("content")?,
            stored: row.try_get("stored")?,
            epoch: Epoch(unsigned("epoch")?),
            enqueued_at: time("enqueued_at")?,
            died_at: row.try_get::<Timestamptz, _>("died_at")?.0,
            requeued_at: time("requeued_at")?,
            request: row
                .try_get::<Option<&[u8]>, _>("request")?
                .and_then(|bytes| bytes.try_into().ok())
                .map(RequestId::from_bytes),
        })
    }
}

fn parsed<T>(row: &PgRow, column: &str) -> Result<T, sqlx::Error>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.try_get::<&str, _>(column)?.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
