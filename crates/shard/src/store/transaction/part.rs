//! A lane's part of a transaction.

use forebay_model::Incarnation;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};

use super::arrange::in_key_order;
use super::attempt::{Outcome, Session};
use super::sums::Sums;
use super::times::Times;
use crate::dead_letter;
use crate::dead_letter::Requests;
use crate::partition::Ranges;
use crate::position::Tally;
use crate::step::{Step, StepError, step};
use crate::store::copy::copy;
use crate::store::error::AttemptError;
use crate::store::lane::LanePart;

impl LanePart<'_> {
    fn sent(&self) -> u64 {
        self.ranges.iter().map(|range| range.rows()).sum()
    }

    /// What is known of it before it is sent: all, where it goes straight.
    pub(super) fn straight_tally(&self) -> Tally {
        let dead = self.letters.iter().map(|letter| u64::from(letter.rows)).sum();
        Tally { stored: if self.straight.is_some() { self.sent() } else { 0 }, dead, ..self.away }
    }

    /// The staging table belongs to the session, so it is made before the transaction: a rollback must not take it away.
    pub(crate) async fn make_staged(&self, session: &mut Session) -> Result<(), StepError> {
        if self.straight.is_none() && !session.has_staged[self.lane] {
            let create = AssertSqlSafe(self.statements.create_staged.clone());
            step(Step::Staging, session.connection.execute(create)).await?;
            session.has_staged[self.lane] = true;
        }
        Ok(())
    }

    /// Tries whether the server takes the rows, and leaves nothing behind.
    pub(crate) async fn probe(&self, mut session: Session) -> Result<Session, AttemptError> {
        self.make_staged(&mut session).await?;
        step(Step::Position, session.connection.execute("begin")).await?;
        self.stage(&mut session.connection).await?;
        step(Step::Commit, session.connection.execute("rollback")).await?;
        Ok(session)
    }

    /// Stores the rows and the letters.
    pub(super) async fn store(
        &self,
        connection: &mut PgConnection,
        incarnation: Incarnation,
        straight: Tally,
        requests: &mut Requests<'_>,
    ) -> Result<Outcome, AttemptError> {
        if self.is_copied {
            self.store_copies(connection).await?;
            return Ok(Outcome { tally: Tally::default(), conflicts: Vec::new() });
        }
        if !self.letters.is_empty() {
            let of: Vec<_> = self.letters.iter().map(|letter| requests.of_letter(letter)).collect();
            let letters = dead_letter::insert(connection, self.lane, incarnation, self.letters, &of);
            step(Step::Letters, letters).await?;
            for letter in self.letters {
                requests.note_dead(letter.position, letter.rows);
            }
        }
        let sent = self.sent();
        let mut outcome = Outcome { tally: straight, conflicts: Vec::new() };
        match self.straight {
            _ if sent == 0 => {}
            Some(partitions) => self.copy_straight(connection, partitions).await?,
            None => {
                let staged = self.through_staging(connection, incarnation, sent, requests).await?;
                self.add_to_tally(connection, staged.tally).await?;
                outcome = Outcome { tally: straight + staged.tally, ..staged };
            }
        }
        if outcome.tally.rows() != self.rows {
            let (lane, rows, tally) = (self.lane, self.rows, outcome.tally);
            return Err(AttemptError::Violated(format!("{rows} rows of lane {lane} in the log became {tally}")));
        }
        Ok(outcome)
    }

    /// The shard that stored them first has counted and derived them, and told of what died.
    async fn store_copies(&self, connection: &mut PgConnection) -> Result<(), AttemptError> {
        const SQL: &str = "update lane_tally set rows_copied = rows_copied + $1 where lane = $2";
        if self.sent() == 0 {
            return Ok(());
        }
        let stored = self.stage(connection).await?;
        let count = sqlx::query(SQL).bind(stored.cast_signed()).bind(self.lane.as_str());
        step(Step::Position, count.execute(connection)).await.map_err(|error| self.at_rows(error))?;
        Ok(())
    }

    async fn copy_straight(&self, connection: &mut PgConnection, partitions: &Ranges) -> Result<(), AttemptError> {
        let at_rows = |error| self.at_rows(error);
        // The times first: they are fewer bytes to have sent in vain.
        Times::of(self.lane, self.ranges)?.insert(connection).await.map_err(at_rows)?;
        let rows = self.ranges.iter().flat_map(|range| range.sent(self.place_log));
        let rows = in_key_order(self.lane, rows, partitions);
        copy(connection, &self.statements.copy, &rows).await.map_err(at_rows)?;
        Sums::of(self.lane, self.ranges)?.add(connection).await.map_err(at_rows)
    }

    /// A step that failed at the rows of this lane.
    pub(super) fn at_rows(&self, error: StepError) -> AttemptError {
        AttemptError::Rows { lane: self.lane, error }
    }

    pub(super) async fn add_to_tally(&self, connection: &mut PgConnection, tally: Tally) -> Result<(), AttemptError> {
        const SQL: &str = "update lane_tally set rows_stored = rows_stored + $1, rows_duplicate = rows_duplicate + $2, \
            rows_dead = rows_dead + $3 where lane = $4";
        let added = sqlx::query(SQL)
            .bind(tally.stored.cast_signed())
            .bind(tally.duplicate.cast_signed())
            .bind(tally.dead.cast_signed())
            .bind(self.lane.as_str())
            .execute(connection);
        step(Step::Position, added).await?;
        Ok(())
    }
}
