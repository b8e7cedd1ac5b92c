//! How the facts of one stream are written to one shard.
//!
//! **The position moves in the transaction of the rows.** A batch is applied exactly once, whatever crashes when, because the
//! rows, the dead letters and the position of a batch are one transaction, and the position is moved by compare-and-swap: two
//! writers at once cannot both succeed.
//!
//! | module | concept |
//! |---|---|
//! | `commit` | a batch, committed: as a whole, by halves, or without the rows that are refused |
//! | `committed` | what that has done |
//! | `lane` | what is known of a lane's table, what of a batch can be sent there and which way, and the SQL |
//! | `transaction` | one transaction: every lane of the stream, one position |
//! | `copy` | tuples into a table, with the place in the log that each keeps |
//! | `comparison` | facts as they should be, against what is stored |
//! | `copies` | what a move brings |
//! | `clean` | what is nobody's any more |
//! | `owned` | which rows go to other shards |
//! | `connections` | the sessions of a store |
//! | `error` | why frames were not committed |

mod clean;
mod commit;
mod committed;
mod comparison;
mod connections;
mod copies;
mod copy;
mod error;
pub(crate) mod lane;
mod owned;
pub(crate) mod transaction;

use forebay_model::{Incarnation, Lane, Position, ShardId, StreamId, StreamKind, Timestamp};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

pub use self::committed::Committed;
pub use self::comparison::{Comparison, Difference, Disagreement};
use self::connections::session_settings;
pub use self::error::CommitError;
use self::lane::LaneState;
use self::transaction::attempt::Session;
use crate::connection::address::{ShardAddress, ShardAddresses};
use crate::connection::session::connect_primary;
use crate::control::ViewsInForce;
use crate::dead_letter;
use crate::derived::{Derived, DerivedNote};
use crate::loss::AcceptedLoss;
use crate::owner::units::Units;
use crate::partition::Granularity;
use crate::position::StreamPosition;
use crate::step::{Step, StoreError, step};

/// The first part of the advisory locks' key; the second is the stream's.
const LEAD_LOCK: i32 = 0x666f_7265;

/// How a stream's lanes are written.
#[derive(Clone, Debug, Default)]
pub struct StoreSettings {
    /// How long new partitions are.
    pub granularity: Granularity,
    /// How many partitions after the present one are made ahead.
    pub partitions_ahead: u32,
    /// Runs when all of a transaction is sent but its COMMIT: there a test ends the process.
    pub before_commit: Option<fn()>,
}

/// The writing end of one stream of one shard.
///
/// It has two connections: one that holds the lead and looks after partitions, and one for transactions, which is closed
/// after any failure. After an error other than [`CommitError::Fenced`] nothing of it should be used any more: open another.
#[derive(Debug)]
pub struct StreamStore {
    stream: StreamKind,
    shard: ShardId,
    settings: StoreSettings,
    address: ShardAddress,
    lanes: Vec<LaneState>,
    /// The log that rows name as theirs by the number that the lanes have.
    placed_in: Option<Incarnation>,
    control: PgConnection,
    session: Option<Session>,
    /// What the shard says of units, where the store was told the map.
    units: Option<Units>,
}

impl StreamStore {
    /// Connects to the shard's primary and reads which partitions there are.
    pub async fn open(
        addresses: &ShardAddresses,
        StreamId { kind: stream, shard }: StreamId,
        settings: StoreSettings,
    ) -> Result<Self, StoreError> {
        let (mut control, address) = connect_primary(addresses, &session_settings(stream, "lead")).await?;
        let mut lanes = Vec::new();
        for lane in stream.lanes() {
            lanes.push(LaneState::read(&mut control, lane).await?);
        }
        Ok(Self { stream, shard, settings, address, lanes, placed_in: None, control, session: None, units: None })
    }

    /// The server that it writes to: the first of the shard's addresses that was a primary.
    pub fn address(&self) -> &ShardAddress {
        &self.address
    }

    /// Takes the lead of this stream, unless another writer has it. The lead only keeps a second writer quiet; what
    /// keeps it from doing harm is the position.
    pub async fn try_lead(&mut self) -> Result<bool, StoreError> {
        const SQL: &str = "select pg_try_advisory_lock($1, $2)";
        let lock = sqlx::query_scalar(SQL).bind(LEAD_LOCK).bind(self.stream.lock()).fetch_one(&mut self.control);
        Ok(step(Step::Lead, lock).await?)
    }

    /// The stored position; `None` before the first start. It also shows whether the shard still answers.
    pub async fn position(&mut self) -> Result<Option<StreamPosition>, StoreError> {
        Ok(step(Step::Position, StreamPosition::of(&mut self.control, self.stream)).await?)
    }

    /// Begins at a position, unless there is one already. Returns the one that is there. A logged stream begins with the views of
    /// the map, because the control frames that said so may be of a time before there was this shard.
    pub async fn begin_at(
        &mut self,
        position: Position,
        views: Option<&ViewsInForce>,
    ) -> Result<StreamPosition, StoreError> {
        const SQL: &str = "with lanes as (insert into lane_tally (lane, stream) select lane, $1 from unnest($4::text[]) as lane \
                on conflict (lane) do nothing) \
            insert into stream_position (stream, incarnation, stream_seq, frame_id, committed_at, epoch) \
            values ($1, $2, $3, '', clock_timestamp(), 0) on conflict (stream) do nothing";
        let begin = sqlx::query(SQL)
            .bind(self.stream.as_str())
            .bind(position.incarnation.get().cast_signed())
            .bind(position.seq.cast_signed())
            .bind(self.stream.lanes().map(Lane::as_str).collect::<Vec<_>>());
        let begun = async {
            let mut transaction = self.control.begin().await?;
            begin.execute(&mut *transaction).await?;
            if let Some(views) = views {
                views.take(&mut transaction, Position { seq: 0, ..position }).await?;
            }
            transaction.commit().await
        };
        step(Step::Position, begun).await?;
        self.position().await?.ok_or_else(StoreError::position_gone)
    }

    /// The views in force; `None` before the first start. What is committed up to a position that was read before is not to be
    /// derived with fewer.
    pub async fn views_in_force(&mut self) -> Result<Option<ViewsInForce>, StoreError> {
        Ok(step(Step::Position, ViewsInForce::read(&mut self.control)).await?)
    }

    /// How far facts are derived for each target. Where one has no note yet, it begins as it stands in `first`.
    pub async fn begin_derived(&mut self, first: &[Derived]) -> Result<Vec<Derived>, StoreError> {
        let noted = step(Step::Position, Derived::all(&mut self.control)).await?;
        // Nothing is inserted where all are there: it would wait for a transaction that moves them, be it of a leader that is frozen.
        let is_missing = |note: &&Derived| noted.iter().all(|noted| noted.target != note.target);
        let missing: Vec<Derived> = first.iter().filter(is_missing).cloned().collect();
        if missing.is_empty() {
            return Ok(noted);
        }
        step(Step::Position, Derived::begin(&mut self.control, &missing)).await?;
        Ok(step(Step::Position, Derived::all(&mut self.control)).await?)
    }

    /// Forgets how far facts are derived for every target but these: nothing goes to others any more.
    pub async fn keep_derived(&mut self, targets: &[ShardId]) -> Result<(), StoreError> {
        Ok(step(Step::Position, Derived::keep(&mut self.control, targets)).await?)
    }

    /// Makes the partitions of the present and some ahead. Returns how many are new.
    pub async fn make_partitions_ahead(&mut self, now: Timestamp) -> Result<usize, StoreError> {
        let mut created = 0;
        for lane in &mut self.lanes {
            let slots = self.settings.granularity.slots_from(now, self.settings.partitions_ahead.saturating_add(1));
            created += lane.make_slots(&mut self.control, slots).await?;
        }
        Ok(created)
    }

    /// Forgets what became of requests so old that nobody is told any more.
    pub async fn forget_requests(&mut self, now: Timestamp) -> Result<(), StoreError> {
        Ok(dead_letter::forget_old(&mut self.control, now).await?)
    }

    /// Goes on at another position, although the log is not the one that was read up to `before`, and keeps that. `false` where
    /// the position was not at `before`.
    pub async fn accept_loss(&mut self, before: Position, after: Position, detail: &str) -> Result<bool, StoreError> {
        let accepted = AcceptedLoss::accept(&mut self.control, self.stream, before, after, detail, None);
        Ok(step(Step::Position, accepted).await?)
    }

    /// Moves notes of what is derived, where nothing is to be committed with them.
    ///
    /// # Errors
    /// [`CommitError::Fenced`] where the position is not at `at`, or a note is not as it was read; then nothing was moved.
    pub async fn note_derived(&mut self, at: Position, notes: &[DerivedNote]) -> Result<(), CommitError> {
        let stream = self.stream;
        let noted = async {
            let mut transaction = self.control.begin().await?;
            let holds = position_holds(&mut transaction, stream, at).await?;
            let moved = holds && DerivedNote::move_all(&mut transaction, notes).await?;
            if moved {
                transaction.commit().await?;
            } else {
                transaction.rollback().await?;
            }
            Ok(moved)
        };
        if step(Step::Commit, noted).await? { Ok(()) } else { Err(CommitError::Fenced) }
    }
}

/// Whether a stream's position is there, and stays there for as long as the transaction lasts.
async fn position_holds(connection: &mut PgConnection, stream: StreamKind, at: Position) -> Result<bool, sqlx::Error> {
    const SQL: &str =
        "select 1 from stream_position where stream = $1 and incarnation = $2 and stream_seq = $3 for share";
    let guard =
        sqlx::query(SQL).bind(stream.as_str()).bind(at.incarnation.get().cast_signed()).bind(at.seq.cast_signed());
    Ok(guard.fetch_optional(connection).await?.is_some())
}
