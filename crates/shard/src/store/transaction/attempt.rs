//! One transaction: **the position moves in the transaction of the rows**, by compare-and-swap.
//!
//! An attempt owns its connection and gives it back only after a COMMIT that was answered. Whatever else happens (an error
//! within a COPY, a deadline, being dropped), the connection is closed, so no later query can read answers that were meant for
//! this one.

use forebay_model::ownership::{Ownership, Taken};
use forebay_model::{Bucket, Incarnation, Lane, PerLane, Position, StreamKind, Timestamp, ViewSet};
use sqlx::Executor;
use sqlx::postgres::PgConnection;

use super::awaited;
use super::owner::{self, OwnerFrame, decides_parked};
use super::restate::restate;
use crate::control::ViewsInForce;
use crate::dead_letter::Requests;
use crate::derived::DerivedNote;
use crate::frame::{IndexedFrame, RowPosition};
use crate::owner::away::Away;
use crate::owner::{parked, units};
use crate::position::Tally;
use crate::read::eventful::Eventful;
use crate::step::{Step, StepError, step};
use crate::store::error::AttemptError;
use crate::store::lane::LanePart;

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
    /// The rows that are decided: of these frames, or of what was parked until a control frame among them.
    pub(crate) lanes: &'a [LanePart<'a>],
    /// The rows of the frames that are not decided here.
    pub(crate) away: &'a Away,
    /// What the shard says of the buckets whose rows were sent on.
    pub(crate) edges: &'a [(Bucket, Ownership)],
    /// The control frames that say whose units are: then there are no others, and where something is parked of the unit there is only one.
    pub(crate) owners: &'a [OwnerFrame],
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
    /// What each control frame has done that says whose a unit is.
    pub(crate) taken: Vec<Taken>,
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
        let known: Vec<Tally> = self.decided(&[]).iter().map(LanePart::straight_tally).collect();
        self.move_position(connection, &known).await?;
        if !step(Step::Position, DerivedNote::move_all(connection, self.notes)).await? {
            return Err(AttemptError::Fenced);
        }
        let views = self.take_controls(connection).await?;
        let taken = owner::take(connection, self.stream, self.owners).await?;
        let mut requests =
            Requests::begin(connection, self.owners.first().map_or(self.frames, |owner| &owner.parked)).await?;
        self.leave(connection, &requests).await?;
        let decided = self.decided(&taken);
        let mut outcomes = Vec::with_capacity(decided.len());
        for part in decided {
            let straight = part.straight_tally();
            if !self.owners.is_empty() {
                part.add_to_tally(connection, straight).await?;
            }
            outcomes.push(part.store(connection, self.incarnation(), straight, &mut requests).await?);
        }
        requests.write(connection).await?;
        let lane = if self.stream == StreamKind::Logged { Lane::Events } else { Lane::ViewEvents };
        let of_events = |error: AttemptError| error.at_rows_of(lane);
        let eventful = awaited::eventful(connection, decided).await.map_err(of_events)?;
        let restated = restate(connection, self.stream, decided, &eventful).await.map_err(of_events)?;
        if let Some(hook) = self.before_commit {
            hook();
        }
        step(Step::Commit, session.connection.execute("commit")).await?;
        Ok((session, Done { outcomes, views, eventful, restated, taken }))
    }

    /// The parts that are decided: all, but what is parked until a unit is this shard's only where a control frame has made it so.
    fn decided(&self, taken: &[Taken]) -> &[LanePart<'_>] {
        if self.owners.is_empty() || taken.iter().any(decides_parked) { self.lanes } else { &[] }
    }

    /// What is not decided here is parked, or was sent on.
    async fn leave(&self, connection: &mut PgConnection, requests: &Requests<'_>) -> Result<(), StepError> {
        if self.away.is_empty() {
            return Ok(());
        }
        step(Step::Control, parked::park(connection, self.stream, self.frames, self.away, requests)).await?;
        step(Step::Control, units::write(connection, self.stream, self.edges)).await?;
        step(Step::Control, units::mark(connection, self.stream, false)).await
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
            counted as (update lane_tally t set rows_stored = t.rows_stored + n.stored, rows_dead = t.rows_dead + n.dead, \
                    rows_sent_on = t.rows_sent_on + n.sent_on, rows_parked = t.rows_parked + n.parked \
                from unnest($7::text[], $8::int8[], $9::int8[], $10::int8[], $11::int8[]) as n(lane, stored, dead, sent_on, parked) \
                where t.lane = n.lane and exists (select from moved)) \
            select count(*) from moved";
        let moved = sqlx::query_scalar(SQL)
            .bind(self.to.row.seq.cast_signed())
            .bind(self.to.frame_id)
            .bind(self.to.row.epoch.0.cast_signed())
            .bind(self.stream.as_str())
            .bind(self.incarnation().get().cast_signed())
            .bind(self.from.seq.cast_signed())
            .bind(self.decided(&[]).iter().map(|part| part.lane.as_str()).collect::<Vec<_>>())
            .bind(tallies.iter().map(|tally| tally.stored.cast_signed()).collect::<Vec<_>>())
            .bind(tallies.iter().map(|tally| tally.dead.cast_signed()).collect::<Vec<_>>())
            .bind(tallies.iter().map(|tally| tally.sent_on.cast_signed()).collect::<Vec<_>>())
            .bind(tallies.iter().map(|tally| tally.parked.cast_signed()).collect::<Vec<_>>())
            .fetch_one(connection);
        let moved: i64 = step(Step::Position, moved).await?;
        if moved == 0 { Err(AttemptError::Fenced) } else { Ok(()) }
    }
}
