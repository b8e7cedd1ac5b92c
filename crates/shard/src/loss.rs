//! Going on although the log has lost something. **Somebody has to decide that**: a stream whose position does not fit its log
//! stands still until then. The decision moves the position and is kept, in one transaction.

use forebay_model::{Incarnation, Lane, Position, StreamKind, Timestamp};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Row};

use crate::control::ViewsInForce;
use crate::owner::units;
use crate::position::{Tally, tally};
use crate::timestamptz::Timestamptz;

/// A loss that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedLoss {
    /// Which lane.
    pub lane: Lane,
    /// The position that did not fit the log.
    pub before: Position,
    /// Where the lane went on: everything behind it is read.
    pub after: Position,
    /// What became of the rows up to then.
    pub rows: Tally,
    /// What was lost, as far as it was known.
    pub detail: String,
    /// When it was accepted, by the shard's clock.
    pub accepted_at: Timestamp,
}

impl AcceptedLoss {
    /// Moves the position of a stream from `before` to `after` and keeps that, of each of its lanes. `false` where the position
    /// was not at `before`, so that nothing was done. What is lost of a logged stream may have been a control frame, so the views
    /// of the map are in force from then on.
    pub async fn accept(
        connection: &mut PgConnection,
        stream: StreamKind,
        before: Position,
        after: Position,
        detail: &str,
        views: Option<&ViewsInForce>,
    ) -> Result<bool, sqlx::Error> {
        // The frame at the new position was never read, so there is no id by which to recognise it.
        const MOVE: &str = "update stream_position set incarnation = $1, stream_seq = $2, frame_id = '', \
            committed_at = clock_timestamp() where stream = $3 and incarnation = $4 and stream_seq = $5";
        const KEEP: &str = "insert into log_loss (lane, before_incarnation, before_seq, after_incarnation, after_seq, \
                rows_stored, rows_duplicate, rows_dead, rows_sent_on, rows_parked, detail) \
            select lane, $2, $3, incarnation, stream_seq, coalesce(rows_stored, 0), coalesce(rows_duplicate, 0), \
                coalesce(rows_dead, 0), coalesce(rows_sent_on, 0), coalesce(rows_parked, 0), $4 \
            from stream_position p cross join unnest($5::text[]) as lanes(lane) left join lane_tally using (lane) \
            where p.stream = $1";
        if units::is_any(connection, stream).await? {
            // What is lost may have said whose a unit is.
            let what = format!("units of the {stream} stream have moved: what its log has lost cannot be given up");
            return Err(sqlx::Error::Protocol(what));
        }
        let mut transaction = connection.begin().await?;
        let moved = sqlx::query(MOVE)
            .bind(after.incarnation.get().cast_signed())
            .bind(after.seq.cast_signed())
            .bind(stream.as_str())
            .bind(before.incarnation.get().cast_signed())
            .bind(before.seq.cast_signed())
            .execute(&mut *transaction)
            .await?;
        if moved.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(KEEP)
            .bind(stream.as_str())
            .bind(before.incarnation.get().cast_signed())
            .bind(before.seq.cast_signed())
            .bind(detail)
            .bind(stream.lanes().map(Lane::as_str).collect::<Vec<_>>())
            .execute(&mut *transaction)
            .await?;
        if let Some(views) = views {
            views.take(&mut transaction, Position { seq: 0, ..after }).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// The last loss after which a lane went on in that making of its stream.
    pub async fn last(
        connection: &mut PgConnection,
        lane: Lane,
        incarnation: Incarnation,
    ) -> Result<Option<Self>, sqlx::Error> {
        const SQL: &str = "select before_incarnation, before_seq, after_incarnation, after_seq, rows_stored, \
            rows_duplicate, rows_dead, rows_sent_on, rows_parked, detail, accepted_at from log_loss \
            where lane = $1 and after_incarnation = $2 order by id desc limit 1";
        let row = sqlx::query(SQL).bind(lane.as_str()).bind(incarnation.get().cast_signed());
        row.fetch_optional(connection).await?.map(|row| Self::from_row(lane, &row)).transpose()
    }

    /// Whether a loss of a stream was ever accepted.
    pub async fn is_any(connection: &mut PgConnection, stream: StreamKind) -> Result<bool, sqlx::Error> {
        const SQL: &str = "select exists (select from log_loss where lane = any($1))";
        let lanes: Vec<&str> = stream.lanes().map(Lane::as_str).collect();
        sqlx::query_scalar(SQL).bind(lanes).fetch_one(connection).await
    }

    fn from_row(lane: Lane, row: &PgRow) -> Result<Self, sqlx::Error> {
        let unsigned = |column: usize| row.try_get::<i64, _>(column).map(i64::cast_unsigned);
        let position = |incarnation, seq| {
            Ok::<_, sqlx::Error>(Position {
                incarnation: Incarnation::new(unsigned(incarnation)?),
                seq: unsigned(seq)?,
            })
        };
        Ok(Self {
            lane,
            before: position(0, 1)?,
            after: position(2, 3)?,
            rows: tally(row)?,
            detail: row.try_get("detail")?,
            accepted_at: row.try_get::<Timestamptz, _>("accepted_at")?.0,
        })
    }
}
