//! One transaction: **the position moves in the transaction of the rows**, by compare-and-swap.
//!
//! An attempt owns its connection and gives it back only after a COMMIT that was answered. Whatever else happens (an error
//! within a COPY, a deadline, being dropped), the connection is closed, so no later query can read answers that were meant for
//! this one.

use forebay_model::{Incarnation, Lane, PerLane, Position, StreamKind, Timestamp, ViewSet};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};

use super::arrange::in_key_order;
use super::awaited;
use super::requests::Requests;
use super::restate::restate;
use super::sums::Sums;
use super::times::Times;
use crate::control::ViewsInForce;
use crate::dead_letter::{self, RowPosition};
use crate::derived::DerivedNote;
use crate::frame::IndexedFrame;
use crate::partition::Ranges;
use crate::position::Tally;
use crate::read::eventful::Eventful;
use crate::store::copy::copy;
use crate::store::error::AttemptError;
use crate::store::lane::LanePart;
use crate::store::step::{Step, StepError, step};

/// A connection for transactions, and which staging tables its session has.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) connection: PgConnection,
    pub(crate) has_staged: PerLane<bool>,
}

/// What a transaction is to do.
#[derive(Clone, Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) stream: StreamKind,
    /// All that the position moves over.
    pub(crate) frames: &'a [IndexedFrame],
    /// Those that have rows.
    pub(crate) lanes: &'a [LanePart<'a>],
    pub(crate) notes: &'a [DerivedNote],
    /// What control frames say, in the order of the log.
    pub(crate) controls: &'a [(u64, ViewsInForce)],
    pub(crate) before_commit: Option<fn()>,
    pub(crate) from: Position,
    pub(crate) to: End<'a>,
}

/// What became of a lane's part.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// The rows that died of a conflict, in order.
    pub(crate) conflicts: Vec<RowPosition>,
}

/// What a transaction has done.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    /// What became of each lane's part, in the order of the parts.
    pub(crate) outcomes: Vec<Outcome>,
    /// The views that are in force from now on, where that has changed.
    pub(crate) views: Option<ViewSet>,
    /// The orders of which it is known by this batch what happened to them.
    pub(crate) eventful: Vec<Eventful>,
    /// The times of the rows whose status is another now.
    pub(crate) restated: Vec<Timestamp>,
}

/// Where the position goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<'a> {
    pub(crate) row: RowPosition,
    pub(crate) frame_id: &'a str,
}

impl Attempt<'_> {
    /// Runs the transaction to its COMMIT.
    pub(crate) async fn run(&self, mut session: Session) -> Result<(Session, Done), AttemptError> {
        for part in self.lanes {
            part.make_staged(&mut session).await?;
        }
        let connection = &mut session.connection;
        step(Step::Position, connection.execute("begin")).await?;
        // First of all, so that a second writer stops here, before it has sent anything.
        let straight: Vec<Tally> = self.lanes.iter().map(LanePart::straight_tally).collect();
        self.move_position(connection, &straight).await?;
        if !step(Step::Position, DerivedNote::move_all(connection, self.notes)).await? {
            return Err(AttemptError::Fenced);
        }
        let views = self.take_controls(connection).await?;
        let mut requests = Requests::begin(connection, self.frames).await?;
        let mut outcomes = Vec::with_capacity(self.lanes.len());
        for (part, straight) in self.lanes.iter().zip(straight) {
            outcomes.push(part.store(connection, self.incarnation(), straight, &mut requests).await?);
        }
        requests.write(connection).await?;
        let lane = if self.stream == StreamKind::Logged { Lane::Events } else { Lane::ViewEvents };
        let of_events = |error| AttemptError::Rows { lane, error };
        let eventful = awaited::eventful(connection, self.lanes).await.map_err(of_events)?;
        let restated = restate(connection, self.stream, self.lanes, &eventful).await.map_err(of_events)?;
        if let Some(hook) = self.before_commit {
            hook();
        }
        step(Step::Commit, session.connection.execute("commit")).await?;
        Ok((session, Done { outcomes, views, eventful, restated }))
    }

    async fn take_controls(&self, connection: &mut PgConnection) -> Result<Option<ViewSet>, StepError> {
        let mut in_force = None;
        for (seq, said) in self.controls {
            let at = Position { seq: *seq, ..self.from };
            if step(Step::Control, said.take(connection, at)).await? {
                in_force = Some(said.views.clone());
            }
        }
        Ok(in_force)
    }

    fn incarnation(&self) -> Incarnation {
        self.from.incarnation
    }

    /// Moves the position, and with it the tallies as far as they are known before anything is sent.
    async fn move_position(&self, connection: &mut PgConnection, tallies: &[Tally]) -> Result<(), AttemptError> {
        const SQL: &str = "with moved as (update stream_position set stream_seq = $1, frame_id = $2, epoch = $3, \
                committed_at = clock_timestamp() \
                where stream = $4 and incarnation = $5 and stream_seq = $6 returning stream), \
            counted as (update lane_tally t set rows_stored = t.rows_stored + n.stored, rows_dead = t.rows_dead + n.dead \
                from unnest($7::text[], $8::int8[], $9::int8[]) as n(lane, stored, dead) \
                where t.lane = n.lane and exists (select from moved)) \
            select count(*) from moved";
        let moved = sqlx::query_scalar(SQL)
            .bind(self.to.row.seq.cast_signed())
            .bind(self.to.frame_id)
            .bind(self.to.row.epoch.0.cast_signed())
            .bind(self.stream.as_str())
            .bind(self.incarnation().get().cast_signed())
            .bind(self.from.seq.cast_signed())
            .bind(self.lanes.iter().map(|part| part.lane.as_str()).collect::<Vec<_>>())
            .bind(tallies.iter().map(|tally| tally.stored.cast_signed()).collect::<Vec<_>>())
            .bind(tallies.iter().map(|tally| tally.dead.cast_signed()).collect::<Vec<_>>())
            .fetch_one(connection);
        let moved: i64 = step(Step::Position, moved).await?;
        if moved == 0 { Err(AttemptError::Fenced) } else { Ok(()) }
    }
}

impl LanePart<'_> {
    fn sent(&self) -> u64 {
        self.ranges.iter().map(|range| range.rows()).sum()
    }

    /// What is known of it before it is sent: all, where it goes straight.
    fn straight_tally(&self) -> Tally {
        let dead = self.letters.iter().map(|letter| u64::from(letter.rows)).sum();
        Tally { stored: if self.straight.is_some() { self.sent() } else { 0 }, duplicate: 0, dead }
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
    pub(crate) async fn probe(&self, mut session: Session) -> Result<Session, StepError> {
        self.make_staged(&mut session).await?;
        step(Step::Position, session.connection.execute("begin")).await?;
        self.stage(&mut session.connection).await?;
        step(Step::Commit, session.connection.execute("rollback")).await?;
        Ok(session)
    }

    /// Stores the rows and the letters.
    async fn store(
        &self,
        connection: &mut PgConnection,
        incarnation: Incarnation,
        straight: Tally,
        requests: &mut Requests<'_>,
    ) -> Result<Outcome, AttemptError> {
        let of_lane = |error| AttemptError::Rows { lane: self.lane, error };
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
            Some(partitions) => self.copy_straight(connection, partitions).await.map_err(of_lane)?,
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

    async fn copy_straight(&self, connection: &mut PgConnection, partitions: &Ranges) -> Result<(), StepError> {
        // The times first: they are fewer bytes to have sent in vain.
        Times::of(self.lane, self.ranges).insert(connection).await?;
        let rows = self.ranges.iter().flat_map(|range| range.sent(self.place_log));
        let rows = in_key_order(self.lane, rows, partitions);
        copy(connection, &self.statements.copy, &rows).await?;
        Sums::of(self.lane, self.ranges).add(connection).await
    }

    async fn add_to_tally(&self, connection: &mut PgConnection, tally: Tally) -> Result<(), AttemptError> {
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
