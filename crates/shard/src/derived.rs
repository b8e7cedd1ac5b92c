//! How far the facts that follow from this shard's orders are derived, for each shard that they go to.
//!
//! The notes move by compare-and-swap, where they are what their writer has read, and in a transaction that the position of the
//! logged stream guards: a writer that another one has overtaken notes nothing, and nothing is noted of rows that are not
//! committed.

use forebay_model::{Incarnation, Position, ShardId};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

/// How far facts are derived for one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// The shard that they go to.
    pub target: ShardId,
    /// The position of the logged stream up to which everything that follows is in the target's derived stream.
    pub through: Position,
    /// The last frame that was published there.
    pub published: Published,
}

/// The last frame that was published to a derived stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Where it lies; sequence 0 before the first.
    pub position: Position,
    /// Its id; empty before the first.
    pub frame_id: String,
}

/// A note that moves on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivedNote {
    /// As it was read.
    pub before: Derived,
    /// As it is to be, of the same target.
    pub after: Derived,
}

impl Derived {
    /// Of every target that has one, in the order of the shards. In a transaction of level `repeatable read` it belongs to the
    /// same snapshot as whatever else is read there.
    pub async fn all(connection: &mut PgConnection) -> Result<Vec<Self>, sqlx::Error> {
        const SQL: &str = "select target, incarnation, stream_seq, target_incarnation, target_seq, target_frame_id \
            from derived_through order by target";
        sqlx::query(SQL).fetch_all(connection).await?.iter().map(Self::from_row).collect()
    }

    /// Makes notes for targets that have none: nothing is derived for them.
    pub(crate) async fn begin(connection: &mut PgConnection, notes: &[Self]) -> Result<(), sqlx::Error> {
        const SQL: &str = "insert into derived_through \
            (target, incarnation, stream_seq, target_incarnation, target_seq, target_frame_id) \
            select * from unnest($1::int2[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::text[]) \
            on conflict (target) do nothing";
        let query = bind(sqlx::query(SQL), &notes.iter());
        query.execute(connection).await?;
        Ok(())
    }

    /// Forgets the notes of every target but these. Nothing is deleted where there are no others: it would wait for a transaction that moves them.
    pub(crate) async fn keep(connection: &mut PgConnection, targets: &[ShardId]) -> Result<(), sqlx::Error> {
        let noted = Self::all(&mut *connection).await?;
        let others = noted.iter().map(|note| note.target).filter(|target| !targets.contains(target));
        let others: Vec<i16> = others.map(|target| target.0.cast_signed()).collect();
        if !others.is_empty() {
            let delete = sqlx::query("delete from derived_through where target = any ($1)").bind(others);
            delete.execute(connection).await?;
        }
        Ok(())
    }

    pub(crate) fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let position = |incarnation: &str, seq: &str| {
            Ok::<_, sqlx::Error>(Position {
                incarnation: Incarnation::new(row.try_get::<i64, _>(incarnation)?.cast_unsigned()),
                seq: row.try_get::<i64, _>(seq)?.cast_unsigned(),
            })
        };
        Ok(Self {
            target: ShardId(row.try_get::<i16, _>("target")?.cast_unsigned()),
            through: position("incarnation", "stream_seq")?,
            published: Published {
                position: position("target_incarnation", "target_seq")?,
                frame_id: row.try_get("target_frame_id")?,
            },
        })
    }
}

impl DerivedNote {
    /// Moves notes on, all or, where one is not what was read, some: then the transaction is to be given up. Returns whether all
    /// were. The caller's transaction holds the position of the logged stream, at or behind every `after.through`.
    pub(crate) async fn move_all(connection: &mut PgConnection, notes: &[Self]) -> Result<bool, sqlx::Error> {
        const SQL: &str = "update derived_through d set incarnation = new.incarnation, stream_seq = new.stream_seq, \
                target_incarnation = new.target_incarnation, target_seq = new.target_seq, \
                target_frame_id = new.target_frame_id \
            from unnest($1::int2[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::text[]) \
                    as new(target, incarnation, stream_seq, target_incarnation, target_seq, target_frame_id) \
                join unnest($7::int2[], $8::int8[], $9::int8[], $10::int8[], $11::int8[], $12::text[]) \
                    as old(target, incarnation, stream_seq, target_incarnation, target_seq, target_frame_id) using (target) \
            where (d.target, d.incarnation, d.stream_seq, d.target_incarnation, d.target_seq, d.target_frame_id) \
                = (old.target, old.incarnation, old.stream_seq, old.target_incarnation, old.target_seq, old.target_frame_id)";
        if notes.is_empty() {
            return Ok(true);
        }
        let query = bind(sqlx::query(SQL), &notes.iter().map(|note| &note.after));
        let moved = bind(query, &notes.iter().map(|note| &note.before)).execute(connection).await?;
        Ok(moved.rows_affected() == notes.len() as u64)
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

/// Six arrays: a column each.
fn bind<'a>(query: Query<'static>, notes: &(impl Iterator<Item = &'a Derived> + Clone)) -> Query<'static> {
    let incarnations = |of: fn(&Derived) -> Position| {
        notes.clone().map(move |note| of(note).incarnation.get().cast_signed()).collect::<Vec<_>>()
    };
    let seqs =
        |of: fn(&Derived) -> Position| notes.clone().map(move |note| of(note).seq.cast_signed()).collect::<Vec<_>>();
    query
        .bind(notes.clone().map(|note| note.target.0.cast_signed()).collect::<Vec<_>>())
        .bind(incarnations(|note| note.through))
        .bind(seqs(|note| note.through))
        .bind(incarnations(|note| note.published.position))
        .bind(seqs(|note| note.published.position))
        .bind(notes.clone().map(|note| note.published.frame_id.clone()).collect::<Vec<_>>())
}
