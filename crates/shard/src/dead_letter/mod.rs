//! Dead letters: what could not be stored, with the reason, the bytes, and as much of the content as can be read; and what became of the
//! rows of each request beside what is stored.

mod filter;
mod kept;
mod requests;

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use forebay_model::lane::ColumnType;
use forebay_model::tuple::Tuples;
use forebay_model::{Incarnation, Lane, RequestId, Timestamp};
use serde_json::{Map, Value};
use sqlx::postgres::PgConnection;

pub use self::filter::LetterFilter;
pub use self::kept::{DeadLetter, LetterCount};
pub(crate) use self::requests::{Requests, forget_old};
use crate::frame::RowPosition;
use crate::timestamptz::Timestamptz;

/// Why a row or a frame is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A fact with the same identity and other content was stored first, or the customer's order with this id at another time.
    Conflict,
    /// Postgres refuses the row for what is in it.
    Refused,
    /// Its time lies outside the years in which orders can be.
    OutOfRange,
    /// A field has a length or a version that its column cannot have.
    BadTuple,
    /// The frame cannot be read from here on.
    TornTuple,
    /// The frame has another number of rows than it declares.
    RowCount,
    /// The frame's headers make no sense.
    BadFrame,
}

/// One dead letter, before it is written.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) position: RowPosition,
    /// How many rows of the log it stands for.
    pub(crate) rows: u32,
    pub(crate) reason: Reason,
    pub(crate) sqlstate: Option<String>,
    pub(crate) detail: String,
    pub(crate) tuple: Bytes,
}

/// Rows of the log that died together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeadRows {
    /// Their frame.
    pub seq: u64,
    /// The first of them, from 0.
    pub row: u32,
    /// How many.
    pub rows: u32,
}

/// A text that names no reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no reason: there are {names}", names = Reason::ALL.map(Reason::as_str).join(", "))]
pub struct UnknownReason(String);

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Conflict,
        Self::Refused,
        Self::OutOfRange,
        Self::BadTuple,
        Self::TornTuple,
        Self::RowCount,
        Self::BadFrame,
    ];

    /// Its name in the table, in metrics and in commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::OutOfRange => "out_of_range",
            Self::BadTuple => "bad_tuple",
            Self::TornTuple => "torn_tuple",
            Self::RowCount => "row_count",
            Self::BadFrame => "bad_frame",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or_else(|| UnknownReason(text.to_owned()))
    }
}

/// Writes dead letters, each with the request that it is of. The same row of the log never makes two.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    lane: Lane,
    incarnation: Incarnation,
    letters: &[Letter],
    requests: &[Option<RequestId>],
) -> Result<(), sqlx::Error> {
    const SQL: &str = "insert into dead_letter (lane, incarnation, stream_seq, row_in_frame, rows, reason, sqlstate, detail, \
            tenant, customer_id, order_id, ordered_at, tuple, content, epoch, enqueued_at, request) \
        select $1, $2, seq, row, rows, reason, sqlstate, detail, tenant, customer_id, order_id, ordered_at, tuple, content::jsonb, \
            epoch, enqueued_at, request \
        from unnest($3::int8[], $4::int4[], $5::int4[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], \
            $12::timestamptz[], $13::bytea[], $14::text[], $15::int8[], $16::timestamptz[], $17::bytea[]) \
            as letter(seq, row, rows, reason, sqlstate, detail, tenant, customer_id, order_id, ordered_at, tuple, content, epoch, enqueued_at, request) \
        on conflict (lane, incarnation, stream_seq, row_in_frame) do nothing";
    let readable: Vec<_> = letters.iter().map(|letter| Readable::of(lane, &letter.tuple)).collect();
    sqlx::query(SQL)
        .bind(lane.as_str())
        .bind(incarnation.get().cast_signed())
        .bind(letters.iter().map(|letter| letter.position.seq.cast_signed()).collect::<Vec<_>>())
        .bind(letters.iter().map(|letter| letter.position.row.cast_signed()).collect::<Vec<_>>())
        .bind(letters.iter().map(|letter| letter.rows.cast_signed()).collect::<Vec<_>>())
        .bind(letters.iter().map(|letter| letter.reason.as_str()).collect::<Vec<_>>())
        .bind(letters.iter().map(|letter| letter.sqlstate.as_deref()).collect::<Vec<_>>())
        .bind(letters.iter().map(|letter| storable(&letter.detail)).collect::<Vec<_>>())
        .bind(readable.iter().map(|readable| readable.tenant.as_deref()).collect::<Vec<_>>())
        .bind(readable.iter().map(|readable| readable.customer_id.as_deref()).collect::<Vec<_>>())
        .bind(readable.iter().map(|readable| readable.order_id.as_deref()).collect::<Vec<_>>())
        .bind(readable.iter().map(|readable| readable.ordered_at.map(Timestamptz)).collect::<Vec<_>>())
        .bind(letters.iter().map(|letter| &letter.tuple[..]).collect::<Vec<_>>())
        .bind(readable.iter().map(|readable| readable.content.as_deref()).collect::<Vec<_>>())
        .bind(letters.iter().map(|letter| letter.position.epoch.0.cast_signed()).collect::<Vec<_>>())
        .bind(letters.iter().map(|letter| letter.position.enqueued_at.map(Timestamptz)).collect::<Vec<_>>())
        .bind(
            requests.iter().map(|request| request.as_ref().map(|request| &request.as_bytes()[..])).collect::<Vec<_>>(),
        )
        .execute(connection)
        .await?;
    Ok(())
}

/// What can be read of a dead tuple, in a form that Postgres certainly takes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Readable {
    tenant: Option<String>,
    customer_id: Option<String>,
    order_id: Option<String>,
    ordered_at: Option<Timestamp>,
    /// A JSON object by column. A jsonb stands in it as a string: Postgres may have refused the row for just that.
    content: Option<String>,
}

impl Readable {
    fn of(lane: Lane, tuple: &[u8]) -> Self {
        let Some(Ok(tuple)) = Tuples::new(lane, tuple).next() else { return Self::default() };
        let mut readable =
            Self { ordered_at: Some(tuple.ordered_at()).filter(|&at| is_storable(at)), ..Self::default() };
        let mut content = Map::new();
        for (place, column) in lane.columns().iter().enumerate() {
            let bytes = tuple.field(place);
            let value = match column.kind {
                ColumnType::Int2 => bytes.try_into().map(i16::from_be_bytes).map_or(Value::Null, Value::from),
                ColumnType::Int8 => bytes.try_into().map(i64::from_be_bytes).map_or(Value::Null, Value::from),
                ColumnType::Timestamptz => Value::from(tuple.ordered_at().to_string()),
                ColumnType::Text | ColumnType::Jsonb => Value::from(storable(&String::from_utf8_lossy(bytes))),
            };
            match column.name {
                "tenant" => readable.tenant = value.as_str().map(str::to_owned),
                "customer_id" => readable.customer_id = value.as_str().map(str::to_owned),
                "order_id" => readable.order_id = value.as_str().map(str::to_owned),
                _ => {}
            }
            content.insert(column.name.to_owned(), value);
        }
        readable.content = Some(Value::from(content).to_string());
        readable
    }
}

/// The one character that no text of Postgres can hold is replaced.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Postgres' timestamps begin in 4714 BC and end in 294276: whatever is near now is well inside.
fn is_storable(at: Timestamp) -> bool {
    const YEAR_US: i64 = 366 * 86_400_000_000;
    (-4000 * YEAR_US..200_000 * YEAR_US).contains(&at.unix_us())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tuple of lane `index` with whatever stands in its fields.
    fn index(order_id: &[u8], customer_id: &[u8], postgres_us: i64) -> Vec<u8> {
        let mut tuple = 5i16.to_be_bytes().to_vec();
        for field in [&7i16.to_be_bytes(), b"T1", order_id, customer_id, &postgres_us.to_be_bytes()] {
            tuple.extend((field.len() as i32).to_be_bytes());
            tuple.extend(field);
        }
        tuple
    }

    #[test]
    fn whatever_is_readable_is_given_in_a_form_that_can_be_stored() {
        let readable = Readable::of(Lane::Index, &index(b"o\0\xff", b"c", 0));
        assert_eq!(readable.tenant.as_deref(), Some("T1"));
        assert_eq!(readable.order_id.as_deref(), Some("o\u{fffd}\u{fffd}"));
        assert_eq!(readable.ordered_at, Some(Timestamp::EARLIEST));
        assert_eq!(
            readable.content.as_deref(),
            Some(
                "{\"bucket\":7,\"customer_id\":\"c\",\"order_id\":\"o\u{fffd}\u{fffd}\",\
                  \"ordered_at\":\"2000-01-01T00:00:00Z\",\"tenant\":\"T1\"}"
            )
        );
    }

    #[test]
    fn what_is_not_readable_is_left_out() {
        assert_eq!(Readable::of(Lane::Index, b"\0\x05\0\0"), Readable::default());
        assert_eq!(Readable::of(Lane::Index, &index(b"o", b"c", i64::MIN)).ordered_at, None);
    }
}
