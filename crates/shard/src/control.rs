//! What control frames of the logged stream have said, as far as this shard has taken them.
//!
//! One is taken in the transaction that moves the position over it, and only where its epoch is higher than that of the last one
//! of its kind: twice, late or out of order, it does nothing. What it says holds for whatever is committed behind it.

use forebay_model::{Control, Epoch, Position, ViewSet};
use sqlx::Row;
use sqlx::postgres::PgConnection;

/// The kind under which views stand in `control_taken`.
const VIEWS: &str = "views";

/// The views that facts are derived with, and the epoch of the map that has decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewsInForce {
    /// The map's.
    pub epoch: Epoch,
    /// All of them.
    pub views: ViewSet,
}

impl ViewsInForce {
    /// What a shard has taken; `None` where its logged stream was never read.
    pub async fn read(connection: &mut PgConnection) -> Result<Option<Self>, sqlx::Error> {
        const SQL: &str = "select epoch, (select coalesce(jsonb_agg(jsonb_build_object('id', id, 'name', name, 'path', path) \
                order by id), '[]') from view_in_force)::text from control_taken where kind = $1";
        let Some(row) = sqlx::query(SQL).bind(VIEWS).fetch_optional(connection).await? else { return Ok(None) };
        let views = serde_json::from_str(row.try_get(1)?).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(Some(Self { epoch: Epoch(row.try_get::<i64, _>(0)?.cast_unsigned()), views }))
    }

    /// Takes them, where the shard has not taken any of that epoch or a higher one. Returns whether it has. To be called in a
    /// transaction that moves the position to `at` or over it.
    pub(crate) async fn take(&self, connection: &mut PgConnection, at: Position) -> Result<bool, sqlx::Error> {
        const TAKE: &str = "insert into control_taken (kind, epoch, incarnation, stream_seq) values ($1, $2, $3, $4) \
            on conflict (kind) do update set epoch = excluded.epoch, incarnation = excluded.incarnation, \
                stream_seq = excluded.stream_seq where control_taken.epoch < excluded.epoch";
        const DELETE: &str = "delete from view_in_force where id <> all ($1)";
        const INSERT: &str = "insert into view_in_force (id, name, path) \
            select * from unnest($1::int2[], $2::text[], $3::text[]) on conflict (id) do nothing";
        let taken = sqlx::query(TAKE)
            .bind(VIEWS)
            .bind(self.epoch.0.cast_signed())
            .bind(at.incarnation.get().cast_signed())
            .bind(at.seq.cast_signed())
            .execute(&mut *connection);
        if taken.await?.rows_affected() == 0 {
            return Ok(false);
        }
        let ids: Vec<i16> = self.views.iter().map(|view| view.id.number().cast_signed()).collect();
        sqlx::query(DELETE).bind(&ids).execute(&mut *connection).await?;
        sqlx::query(INSERT)
            .bind(&ids)
            .bind(self.views.iter().map(|view| view.spec.name().to_string()).collect::<Vec<_>>())
            .bind(self.views.iter().map(|view| view.spec.path()).collect::<Vec<_>>())
            .execute(connection)
            .await?;
        Ok(true)
    }
}

impl ViewsInForce {
    /// What a control frame says of views.
    pub(crate) fn of(control: &Control) -> Option<Self> {
        match control {
            Control::Views { epoch, in_force } => Some(Self { epoch: *epoch, views: in_force.clone() }),
            Control::Owner(_) => None,
        }
    }
}
