//! How far facts are derived, for readers who follow a receipt.

use forebay_model::{Incarnation, Position};
use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::derived::Derived;

/// How far facts are derived for each shard, and how far the logged stream was in the same snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivedAt {
    /// The position of the logged stream.
    pub position: Position,
    /// Of every target that has a note, in the order of the shards.
    pub derived: Vec<Derived>,
}

impl DerivedAt {
    /// Reads it; `None` where there is no note yet.
    pub async fn read(connection: &mut PgConnection) -> Result<Option<Self>, sqlx::Error> {
        const SQL: &str = "select p.incarnation as at_incarnation, p.stream_seq as at_seq, target, d.incarnation, \
                d.stream_seq, target_incarnation, target_seq, target_frame_id \
            from derived_through d, stream_position p where p.stream = 'logged' order by target";
        let rows = sqlx::query(SQL).fetch_all(connection).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let unsigned = |column| first.try_get::<i64, _>(column).map(i64::cast_unsigned);
        let position =
            Position { incarnation: Incarnation::new(unsigned("at_incarnation")?), seq: unsigned("at_seq")? };
        let derived = rows.iter().map(Derived::from_row).collect::<Result<_, _>>()?;
        Ok(Some(Self { position, derived }))
    }
}
