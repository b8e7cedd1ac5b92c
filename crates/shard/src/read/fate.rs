//! What became of a request on one shard.

use forebay_model::{Incarnation, Position, RequestId, Timestamp};
use serde::Deserialize;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::scope::Scope;

/// The most dead letters that are named.
pub const LETTERS_MAX: usize = 100;

/// What became of the pieces of a request on one shard, and how far the logged stream was in the same snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestFate {
    /// The position of the logged stream; `None` where nothing was ever read.
    pub position: Option<Position>,
    /// Where the logged stream went on although it had lost something.
    pub losses: Vec<Loss>,
    /// Rows that were there before.
    pub duplicate: u64,
    /// Rows that are dead.
    pub dead: u64,
    /// Dead letters by reason. Those that were purged are not among them.
    pub reasons: Vec<(String, u64)>,
    /// The first [`LETTERS_MAX`] dead letters.
    pub letters: Vec<DeadOrder>,
}

/// Where a stream went on although it had lost something: what lay behind it may never have been decided, and where it went on as
/// another stream, what lay before it may have been decided twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// How far it had been read.
    pub before: Position,
    /// The incarnation as which it went on.
    pub after: Incarnation,
    /// When that was decided, by the shard's clock.
    pub accepted_at: Timestamp,
}

/// A dead letter as the one who sent its order is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct DeadOrder {
    /// Its number on its shard.
    pub letter: i64,
    /// The order's id, where it can be read.
    pub order_id: Option<String>,
    /// Why it is dead.
    pub reason: String,
}

/// Its parameters are the first piece, the one behind the last, how many letters are named, the only customer that may be seen, and the tenant.
const SQL: &str = "\
    with letters as (select id, order_id, reason from dead_letter where request >= $1 and request < $2 \
        and ($4::text is null or customer_id = $4) and (tenant = $5 or tenant is null)), \
    fates as (select coalesce(sum(rows_duplicate), 0)::int8 as duplicate, coalesce(sum(rows_dead), 0)::int8 as dead \
        from request_fate where request >= $1 and request < $2) \
    select duplicate, dead, \
        (select json_build_array(incarnation, stream_seq)::text from stream_position where stream = 'logged') as position, \
        (select coalesce(json_agg(json_build_array(before_incarnation, before_seq, after_incarnation, \
            (extract(epoch from accepted_at) * 1000000)::int8)), '[]')::text from log_loss where lane = 'orders') as losses, \
        (select coalesce(json_agg(json_build_array(reason, n)), '[]')::text \
            from (select reason, count(*) as n from letters group by reason order by reason) as by_reason) as reasons, \
        (select coalesce(json_agg(json_build_object('letter', id, 'order_id', order_id, 'reason', reason) order by id), '[]')::text \
            from (select * from letters order by id limit $3) as first) as letters \
    from fates";

impl RequestFate {
    /// Reads it, of `pieces` pieces: one statement, one snapshot. Nothing where the request is out of sight.
    ///
    /// # Errors
    /// What the shard says.
    pub async fn read(
        connection: &mut PgConnection,
        scope: &Scope,
        first: RequestId,
        pieces: u32,
    ) -> Result<Self, sqlx::Error> {
        if !scope.sees(first) {
            return Ok(Self::default());
        }
        let behind = first.piece(pieces);
        let query = sqlx::query(SQL).bind(&first.as_bytes()[..]).bind(&behind.as_bytes()[..]).bind(LETTERS_MAX as i64);
        let query = query.bind(scope.only_customer()).bind(scope.tenant().as_str());
        let row = query.fetch_one(connection).await?;
        // A row that is in the log once more is taken from the dead before it is anything else, never more than once: so there are never
        // fewer than none.
        let count = |column| {
            let rows: i64 = row.try_get(column)?;
            let violated = |_| sqlx::Error::Decode(format!("{rows} rows of a request are {column}").into());
            u64::try_from(rows).map_err(violated)
        };
        let position: Option<(u64, u64)> = match row.try_get::<Option<&str>, _>("position")? {
            Some(text) => Some(parsed(text)?),
            None => None,
        };
        let losses: Vec<(u64, u64, u64, i64)> = parsed(row.try_get("losses")?)?;
        Ok(Self {
            position: position.map(to_position),
            losses: losses.into_iter().map(to_loss).collect(),
            duplicate: count("duplicate")?,
            dead: count("dead")?,
            reasons: parsed(row.try_get("reasons")?)?,
            letters: parsed(row.try_get("letters")?)?,
        })
    }
}

fn to_position((incarnation, seq): (u64, u64)) -> Position {
    Position { incarnation: Incarnation::new(incarnation), seq }
}

fn to_loss((incarnation, seq, after, accepted_us): (u64, u64, u64, i64)) -> Loss {
    let (before, after) = (to_position((incarnation, seq)), Incarnation::new(after));
    Loss { before, after, accepted_at: Timestamp::from_unix_us(accepted_us) }
}

fn parsed<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
