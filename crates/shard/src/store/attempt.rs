//! One transaction: **the position moves in the transaction of the rows**, by compare-and-swap.
//!
//! An attempt owns its connection and gives it back only after a COMMIT that was answered. Whatever else happens (an error
//! within a COPY, a deadline, being dropped), the connection is closed, so no later query can read answers that were meant for
//! this one.

use forebay_model::{Incarnation, Lane, Position, Timestamp};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};

use super::arrange::in_key_order;
use super::copy::copy;
use super::sift::RowRange;
use super::statements::Statements;
use super::step::{Step, StepError, step};
use super::times::Times;
use crate::dead_letter::{self, Letter, RowPosition};
use crate::partition::Ranges;
use crate::position::Tally;

/// A connection for transactions, and what its session already has.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) connection: PgConnection,
    pub(crate) has_staged: bool,
}

/// What a transaction is to do.
#[derive(Clone, Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) lane: Lane,
    pub(crate) statements: &'a Statements,
    /// The table's partitions, where the rows go straight into it; `None` where they go through staging.
    pub(crate) straight: Option<&'a Ranges>,
    pub(crate) ranges: &'a [RowRange<'a>],
    pub(crate) letters: &'a [Letter],
    /// How many rows of the log the transaction is for: as many must be stored, duplicate or dead.
    pub(crate) rows: u64,
    pub(crate) times: Option<(Timestamp, Timestamp)>,
    pub(crate) before_commit: Option<fn()>,
    pub(crate) from: Position,
    pub(crate) to: End<'a>,
}

/// Where the position goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<'a> {
    pub(crate) row: RowPosition,
    pub(crate) frame_id: &'a str,
}

/// Why a transaction was not committed, or may not have been.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttemptError {
    /// The position is not where it was read: another writer was here.
    #[error("another writer has moved the position")]
    Fenced,
    /// The sums would be wrong.
    #[error("what must always hold does not: {0}")]
    Violated(String),
    #[error(transparent)]
    Step(#[from] StepError),
}

impl Attempt<'_> {
    /// Runs the transaction to its COMMIT.
    pub(crate) async fn run(&self, mut session: Session) -> Result<(Session, Tally), AttemptError> {
        self.begin(&mut session).await?;
        let dead = self.letters.iter().map(|letter| u64::from(letter.rows)).sum();
        let sent = self.ranges.iter().map(|range| range.rows()).sum();
        let straight = Tally { stored: if self.straight.is_some() { sent } else { 0 }, duplicate: 0, dead };
        // First of all, so that a second writer stops here, before it has sent anything.
        self.move_position(&mut session.connection, straight).await?;
        if !self.letters.is_empty() {
            let letters = dead_letter::insert(&mut session.connection, self.lane, self.incarnation(), self.letters);
            step(Step::Letters, letters).await?;
        }
        let tally = match self.straight {
            _ if sent == 0 => straight,
            Some(partitions) => {
                // The times first: they are fewer bytes to have sent in vain.
                Times::of(self.lane, self.ranges).insert(&mut session.connection).await?;
                let tuples = self.ranges.iter().flat_map(|range| range.tuples());
                let tuples = tuples.map(|(tuple, entry)| (tuple, entry.ordered_at));
                let tuples = in_key_order(self.lane, tuples, partitions);
                copy(&mut session.connection, &self.statements.copy, &tuples).await?;
                straight
            }
            None => {
                let staged = self.through_staging(&mut session.connection, sent).await?;
                self.add_to_tally(&mut session.connection, staged).await?;
                straight + staged
            }
        };
        if tally.rows() != self.rows {
            return Err(AttemptError::Violated(format!("{} rows of the log became {tally}", self.rows)));
        }
        if let Some(hook) = self.before_commit {
            hook();
        }
        step(Step::Commit, session.connection.execute("commit")).await?;
        Ok((session, tally))
    }

    /// Tries whether the server takes the rows, and leaves nothing behind.
    pub(crate) async fn probe(&self, mut session: Session) -> Result<Session, AttemptError> {
        self.begin(&mut session).await?;
        self.stage(&mut session.connection).await?;
        step(Step::Commit, session.connection.execute("rollback")).await?;
        Ok(session)
    }

    fn incarnation(&self) -> Incarnation {
        self.from.incarnation
    }

    /// The staging table belongs to the session, so it is made before the transaction: a rollback must not take it away.
    async fn begin(&self, session: &mut Session) -> Result<(), StepError> {
        if self.straight.is_none() && !session.has_staged {
            let create = AssertSqlSafe(self.statements.create_staged.clone());
            step(Step::Staging, session.connection.execute(create)).await?;
            session.has_staged = true;
        }
        step(Step::Position, session.connection.execute("begin")).await.map(drop)
    }

    async fn move_position(&self, connection: &mut PgConnection, tally: Tally) -> Result<(), AttemptError> {
        const SQL: &str = "update lane_position set stream_seq = $1, frame_id = $2, epoch = $3, \
                rows_stored = rows_stored + $4, rows_duplicate = rows_duplicate + $5, rows_dead = rows_dead + $6, \
                committed_at = clock_timestamp() \
            where lane = $7 and incarnation = $8 and stream_seq = $9";
        let moved = sqlx::query(SQL)
            .bind(self.to.row.seq.cast_signed())
            .bind(self.to.frame_id)
            .bind(self.to.row.epoch.0.cast_signed())
            .bind(tally.stored.cast_signed())
            .bind(tally.duplicate.cast_signed())
            .bind(tally.dead.cast_signed())
            .bind(self.lane.as_str())
            .bind(self.incarnation().get().cast_signed())
            .bind(self.from.seq.cast_signed())
            .execute(connection);
        match step(Step::Position, moved).await?.rows_affected() {
            0 => Err(AttemptError::Fenced),
            _ => Ok(()),
        }
    }

    async fn add_to_tally(&self, connection: &mut PgConnection, tally: Tally) -> Result<(), AttemptError> {
        const SQL: &str = "update lane_position set rows_stored = rows_stored + $1, rows_duplicate = rows_duplicate + $2, \
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
