//! The way through the staging table, which tells duplicates and conflicts from what is new.

use forebay_model::{Incarnation, Timestamp};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::attempt::Outcome;
use super::times::Times;
use crate::dead_letter::Requests;
use crate::position::Tally;
use crate::step::{Step, StepError, step};
use crate::store::copy::copy;
use crate::store::error::AttemptError;
use crate::store::lane::LanePart;
use crate::store::lane::sift::RowRange;
use crate::timestamptz::Timestamptz;

/// A staged row that is not stored, because another fact was first.
#[derive(Clone, Copy, Debug)]
struct Conflict {
    /// Which of the staged rows, from 0.
    row: i64,
    /// The time of the fact that was first.
    first_at: Option<Timestamp>,
}

impl LanePart<'_> {
    /// Stores what is new; the rest is duplicates, but for those that conflict with what was first.
    pub(crate) async fn through_staging(
        &self,
        connection: &mut PgConnection,
        incarnation: Incarnation,
        sent: u64,
        requests: &mut Requests<'_>,
    ) -> Result<Outcome, AttemptError> {
        let stored = self.stage(connection).await?;
        if stored == sent {
            return Ok(Outcome { tally: Tally { stored, ..Tally::default() }, conflicts: Vec::new() });
        }
        let conflicts = self.conflicts(connection).await?;
        let rows = rows_of(self.ranges, conflicts.iter().map(|conflict| conflict.row.cast_unsigned()));
        if !conflicts.is_empty() {
            self.bury_conflicts(connection, incarnation, &conflicts, &rows, requests).await?;
            for row in &rows {
                requests.note_dead(row.position(), 1);
            }
        }
        let dead = conflicts.len() as u64;
        let Some(duplicate) = sent.checked_sub(stored + dead) else {
            return Err(AttemptError::Violated(format!("of {sent} rows {stored} were stored and {dead} are dead")));
        };
        if duplicate > 0 && requests.has_any_of(self.lane) {
            self.note_duplicates(
                connection,
                &conflicts,
                Tally { stored, duplicate, dead, ..Tally::default() },
                requests,
            )
            .await?;
        }
        let conflicts = rows.iter().map(|row| row.position()).collect();
        Ok(Outcome { tally: Tally { stored, duplicate, dead, ..Tally::default() }, conflicts })
    }

    /// Returns how many rows were new.
    pub(crate) async fn stage(&self, connection: &mut PgConnection) -> Result<u64, AttemptError> {
        let at_rows = |error| self.at_rows(error);
        let rows = self.ranges.iter().flat_map(|range| range.sent(self.place_log));
        let rows: Vec<_> = rows.map(|(row, _)| row).collect();
        copy(connection, &self.statements.copy_staged, &rows).await.map_err(at_rows)?;
        Times::of(self.lane, self.ranges)?.insert_new(connection).await.map_err(at_rows)?;
        let insert = if self.is_copied { &self.statements.insert_copied } else { &self.statements.insert_staged };
        let insert = sqlx::query_scalar(AssertSqlSafe(insert.clone())).fetch_one(connection);
        step(Step::Rows, insert).await.map(i64::cast_unsigned).map_err(at_rows)
    }

    async fn conflicts(&self, connection: &mut PgConnection) -> Result<Vec<Conflict>, StepError> {
        let mut query = sqlx::query_as(AssertSqlSafe(self.statements.conflicts.clone()));
        if let Some((earliest, latest)) = self.times {
            query = query.bind(Timestamptz(earliest)).bind(Timestamptz(latest));
        }
        let found: Vec<(i64, Option<Timestamptz>)> = step(Step::Letters, query.fetch_all(connection)).await?;
        let conflict =
            |(row, first_at): (i64, Option<Timestamptz>)| Conflict { row, first_at: first_at.map(|at| at.0) };
        Ok(found.into_iter().map(conflict).collect())
    }

    /// Finds the rows that are duplicates, for their requests.
    async fn note_duplicates(
        &self,
        connection: &mut PgConnection,
        conflicts: &[Conflict],
        tally: Tally,
        requests: &mut Requests<'_>,
    ) -> Result<(), AttemptError> {
        let numbers = if tally.stored == 0 {
            // Whatever is no conflict: a file that is sent again has nothing else.
            let mut dead = conflicts.iter().map(|conflict| conflict.row).peekable();
            (0..tally.rows().cast_signed()).filter(|number| dead.next_if_eq(number).is_none()).collect()
        } else {
            self.duplicates(connection).await?
        };
        if numbers.len() as u64 != tally.duplicate {
            let (lane, found) = (self.lane, numbers.len());
            return Err(AttemptError::Violated(format!(
                "of {tally} rows of lane {lane} {found} are known as duplicate"
            )));
        }
        let rows = rows_of(self.ranges, numbers.into_iter().map(i64::cast_unsigned));
        for row in rows {
            requests.note_duplicate(row.position());
        }
        Ok(())
    }

    async fn duplicates(&self, connection: &mut PgConnection) -> Result<Vec<i64>, StepError> {
        let mut query = sqlx::query_scalar(AssertSqlSafe(self.statements.duplicates.clone()));
        if let Some((earliest, latest)) = self.times {
            query = query.bind(Timestamptz(earliest)).bind(Timestamptz(latest));
        }
        step(Step::Letters, query.fetch_one(connection)).await
    }

    async fn bury_conflicts(
        &self,
        connection: &mut PgConnection,
        incarnation: Incarnation,
        conflicts: &[Conflict],
        rows: &[RowRange<'_>],
        requests: &Requests<'_>,
    ) -> Result<(), StepError> {
        let times = self.times.unwrap_or((Timestamp::EARLIEST, Timestamp::EARLIEST));
        let first = conflicts.iter().filter_map(|conflict| conflict.first_at);
        let (earliest, latest) = first.fold(times, |sum, at| (sum.0.min(at), sum.1.max(at)));
        let of: Vec<_> = rows.iter().map(|row| requests.of_row(row.position())).collect();
        let query = sqlx::query(AssertSqlSafe(self.statements.bury_conflicts.clone()))
            .bind(Timestamptz(earliest))
            .bind(Timestamptz(latest))
            .bind(self.lane.as_str())
            .bind(incarnation.get().cast_signed())
            .bind(conflicts.iter().map(|conflict| conflict.row).collect::<Vec<_>>())
            .bind(conflicts.iter().map(|conflict| conflict.first_at.map(Timestamptz)).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.position().seq.cast_signed()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.position().row.cast_signed()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.bytes()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.position().epoch.0.cast_signed()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.position().enqueued_at.map(Timestamptz)).collect::<Vec<_>>())
            .bind(of.iter().map(|request| request.as_ref().map(|request| &request.as_bytes()[..])).collect::<Vec<_>>());
        step(Step::Letters, query.execute(connection)).await?;
        Ok(())
    }
}

/// The rows with these numbers, which rise, each as a range of its own.
fn rows_of<'a>(ranges: &[RowRange<'a>], numbers: impl Iterator<Item = u64>) -> Vec<RowRange<'a>> {
    let mut numbers = numbers.peekable();
    let mut first = 0;
    let mut rows = Vec::new();
    for range in ranges {
        let behind = first + range.rows();
        if numbers.peek().is_some_and(|&number| number < behind) {
            rows.extend(
                (first..)
                    .zip(range.split())
                    .filter(|(number, _)| numbers.next_if_eq(number).is_some())
                    .map(|(_, row)| row),
            );
        }
        first = behind;
    }
    rows
}
