//! How the facts of one stream are written to one shard.
//!
//! **The position moves in the transaction of the rows.** A batch is applied exactly once, whatever crashes when, because the
//! rows, the dead letters and the position of a batch are one transaction, and the position is moved by compare-and-swap: two
//! writers at once cannot both succeed.
//!
//! | module | concept |
//! |---|---|
//! | `sift` | what of a batch can be sent, and what cannot |
//! | `attempt` | one transaction: every lane of the stream, one position |
//! | `arrange` | the order in which rows are sent |
//! | `copy` | tuples into a table, with the place in the log that each keeps |
//! | `lane` | what is known of a lane's table, and one lane's part in a transaction |
//! | `statements` | the SQL of a lane |
//! | `staging` | the way through the staging table |
//! | `requests` | what became of the rows of each request |
//! | `times` | the times of orders whose ids do not tell them |
//! | `bisect` | finding the rows that are refused |
//! | `path` | straight, or through the staging table |
//! | `comparison` | facts as they should be, against what is stored |
//! | `step` | one answer of the server, within a bound, and what its failure means |

mod arrange;
mod attempt;
mod bisect;
mod comparison;
mod copy;
mod error;
mod lane;
mod path;
mod requests;
pub(crate) mod sift;
mod staging;
mod statements;
pub(crate) mod step;
mod times;

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_model::{Incarnation, Lane, PerLane, Position, ShardId, StreamId, StreamKind, Timestamp, ViewSet};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use self::attempt::{Attempt, End, Outcome, Session};
use self::bisect::{Sessions, bisect};
pub use self::comparison::{Comparison, Difference, Disagreement};
use self::error::AttemptError;
pub use self::error::{CommitError, StoreError};
use self::lane::{LanePart, LaneState};
use self::sift::Sifted;
use self::step::{Fault, Step, StepError, step};
use crate::address::{ShardAddress, ShardAddresses};
use crate::control::ViewsInForce;
use crate::dead_letter::{Reason, RowPosition};
use crate::derived::{Derived, DerivedNote};
use crate::frame::IndexedFrame;
use crate::loss::AcceptedLoss;
use crate::partition::Granularity;
use crate::place::{self, PlaceLog};
use crate::position::{StreamPosition, Tally};
use crate::session::{SessionSettings, connect_primary};

/// A statement whose client is gone is ended by the server after this long at the latest.
const STATEMENT_MAX: Duration = Duration::from_secs(30);
/// Somebody may hold a lock on a table for long; the lane tries again rather than stand in the queue and stop others.
const LOCK_MAX: Duration = Duration::from_secs(4);
/// Partitions for facts of many days take a while.
const PARTITIONS_MAX: Duration = Duration::from_mins(1);
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
}

/// What a commit has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// How many of the frames, from the first: the whole batch, except after frames with rows that the server refuses.
    pub frames: usize,
    /// Where the position is now.
    pub position: Position,
    /// What became of the rows of each lane.
    pub rows: PerLane<Tally>,
    /// How many rows died of what.
    pub dead: Vec<(Lane, Reason, u64)>,
    /// Which rows died, in order.
    pub dead_rows: Vec<DeadRows>,
    /// Whether any of them went through a staging table.
    pub was_staged: bool,
    /// The views that are in force from now on, where a control frame among them has changed that.
    pub views: Option<ViewSet>,
}

/// Rows of the log that died together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeadRows {
    /// Their frame.
    pub seq: u64,
    /// The first of them, from 0.
    pub row: u32,
    /// How many.
    pub rows: u32,
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
        Ok(Self { stream, shard, settings, address, lanes, placed_in: None, control, session: None })
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
        step(Step::Position, Derived::begin(&mut self.control, first)).await?;
        Ok(step(Step::Position, Derived::all(&mut self.control)).await?)
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
        Ok(requests::forget_old(&mut self.control, now).await?)
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
        const SQL: &str =
            "select 1 from stream_position where stream = $1 and incarnation = $2 and stream_seq = $3 for share";
        let noted = async {
            let mut transaction = self.control.begin().await?;
            let guard = sqlx::query(SQL)
                .bind(self.stream.as_str())
                .bind(at.incarnation.get().cast_signed())
                .bind(at.seq.cast_signed());
            let holds = guard.fetch_optional(&mut *transaction).await?.is_some();
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

    /// Commits frames that follow `from`, or the first of them, and moves the position there, and with it notes of what is
    /// derived. What control frames among them say is taken.
    ///
    /// # Errors
    /// [`CommitError::Fenced`] where the position is not at `from`, or a note is not as it was read;
    /// [`CommitError::Violated`] where going on would make the sums
    /// wrong; then nothing was committed. After any other error the position must be read again:
    /// a COMMIT whose answer was lost may have been done.
    pub async fn commit(
        &mut self,
        frames: &[IndexedFrame],
        from: Position,
        notes: &[DerivedNote],
    ) -> Result<Committed, CommitError> {
        if !follow(from, frames) {
            return Err(CommitError::violated("the frames do not follow the position, or each other"));
        }
        if frames.iter().any(|frame| frame.stream() != self.stream) {
            return Err(CommitError::violated("the frames were read as those of another stream"));
        }
        if frames.is_empty() {
            self.note_derived(from, notes).await?;
            return Ok(Committed::nothing(from));
        }
        self.name_log(from.incarnation).await?;
        let mut count = frames.len();
        loop {
            match self.commit_all(&frames[..count], from, notes).await? {
                Some(committed) => return Ok(committed),
                // Some row is refused, or they are too many for the server: the good frames before it go first.
                None => count = count.div_ceil(2),
            }
        }
    }

    /// Finds the number by which rows that keep their place name a log.
    async fn name_log(&mut self, incarnation: Incarnation) -> Result<(), StoreError> {
        if self.placed_in == Some(incarnation) || self.stream != StreamKind::Logged {
            return Ok(());
        }
        let number = step(Step::Position, PlaceLog::number(&mut self.control, self.shard, incarnation)).await?;
        self.lanes.iter_mut().for_each(|lane| lane.place_log = place::is_kept(lane.lane).then_some(number));
        self.placed_in = Some(incarnation);
        Ok(())
    }

    /// `None` where these frames cannot be committed together, but maybe fewer of them.
    async fn commit_all(
        &mut self,
        frames: &[IndexedFrame],
        from: Position,
        notes: &[DerivedNote],
    ) -> Result<Option<Committed>, CommitError> {
        let last =
            frames.last().map(IndexedFrame::frame).ok_or_else(|| CommitError::violated("there are no frames"))?;
        let mut sifted = self.sift(frames).await?;
        let mut searched = Vec::new();
        let controls: Vec<(u64, ViewsInForce)> =
            frames.iter().filter_map(|frame| Some((frame.frame().seq, frame.control()?.into()))).collect();
        loop {
            let session = self.take().await?;
            let parts: Vec<LanePart<'_>> =
                self.lanes.iter().zip(&sifted).filter_map(|(lane, of)| lane.part(of)).collect();
            let attempt = Attempt {
                stream: self.stream,
                frames,
                lanes: &parts,
                notes,
                controls: &controls,
                before_commit: self.settings.before_commit,
                from,
                to: End {
                    row: RowPosition { seq: last.seq, row: 0, epoch: last.epoch, enqueued_at: last.enqueued_at },
                    frame_id: &last.id,
                },
            };
            let (lane, error) = match attempt.run(session).await {
                Ok((session, outcomes, views)) => {
                    let was_staged = parts.iter().any(|part| part.straight.is_none());
                    let committed = Committed::of(frames.len(), Position { seq: last.seq, ..from }, &parts, &outcomes);
                    self.session = Some(session);
                    for (lane, sifted) in self.lanes.iter_mut().zip(&sifted) {
                        lane.committed(committed.rows[lane.lane], sifted);
                    }
                    return Ok(Some(Committed { was_staged, views, ..committed }));
                }
                Err(AttemptError::Rows { lane, error }) => (lane, error),
                Err(error) => return Err(error.into()),
            };
            let Some(fault) = error.fault_of_rows() else { return Err(error.into()) };
            let place =
                self.lanes.iter().position(|state| state.lane == lane).expect("the lane is one of the stream's");
            let was_straight = self.lanes[place].refused();
            match fault {
                Fault::Duplicate if was_straight => {}
                Fault::Data if self.lost_partitions(frames).await? => sifted = self.sift(frames).await?,
                Fault::Data | Fault::TooMuch if frames.len() > 1 => return Ok(None),
                Fault::Data if !searched.contains(&lane) => {
                    searched.push(lane);
                    self.set_refused_apart(place, &mut sifted[place]).await?;
                }
                _ => return Err(error.into()),
            }
        }
    }

    /// Sees what of each lane can be sent, and makes the partitions that it needs.
    async fn sift<'a>(&mut self, frames: &'a [IndexedFrame]) -> Result<Vec<Sifted<'a>>, StoreError> {
        let mut sifted = Vec::with_capacity(self.lanes.len());
        for lane in &mut self.lanes {
            let of_lane = lane.sift(frames, self.settings.granularity);
            lane.make_partitions(&mut self.control, &of_lane.missing).await?;
            sifted.push(of_lane);
        }
        Ok(sifted)
    }

    /// Whether facts were refused because a partition that was known is not there any more: somebody detached it.
    async fn lost_partitions(&mut self, frames: &[IndexedFrame]) -> Result<bool, StoreError> {
        let mut lost = false;
        for lane in &mut self.lanes {
            lane.read_partitions(&mut self.control).await?;
            lost |= !lane.sift(frames, self.settings.granularity).missing.is_empty();
        }
        Ok(lost)
    }

    /// Moves the rows that the server refuses from what is sent to the dead letters.
    async fn set_refused_apart(&mut self, place: usize, sifted: &mut Sifted<'_>) -> Result<(), CommitError> {
        let LaneState { lane, ref statements, place_log, .. } = self.lanes[place];
        let statements = statements.clone();
        let (ranges, letters) = (&[][..], &[][..]);
        let of = LanePart {
            lane,
            statements: &statements,
            place_log,
            straight: None,
            ranges,
            letters,
            rows: 0,
            times: None,
        };
        let parted = bisect(self, of, &sifted.ranges).await?;
        sifted.ranges = parted.taken;
        sifted.letters.extend(parted.refused);
        Ok(())
    }
}

impl Sessions for StreamStore {
    async fn take(&mut self) -> Result<Session, StepError> {
        if let Some(session) = self.session.take() {
            return Ok(session);
        }
        let connection = connect_writer(&self.address, self.stream).await?;
        Ok(Session { connection, has_staged: PerLane::default() })
    }

    fn give_back(&mut self, session: Session) {
        self.session = Some(session);
    }
}

impl Committed {
    fn nothing(position: Position) -> Self {
        let (rows, dead, dead_rows) = (PerLane::default(), Vec::new(), Vec::new());
        Self { frames: 0, position, rows, dead, dead_rows, was_staged: false, views: None }
    }

    fn of(frames: usize, position: Position, parts: &[LanePart<'_>], outcomes: &[Outcome]) -> Self {
        let mut committed = Self { frames, ..Self::nothing(position) };
        for (part, outcome) in parts.iter().zip(outcomes) {
            committed.rows[part.lane] = outcome.tally;
            let mut dead = BTreeMap::new();
            for letter in part.letters {
                *dead.entry(letter.reason).or_default() += u64::from(letter.rows);
                let RowPosition { seq, row, .. } = letter.position;
                committed.dead_rows.push(DeadRows { seq, row, rows: letter.rows });
            }
            if !outcome.conflicts.is_empty() {
                dead.insert(Reason::Conflict, outcome.conflicts.len() as u64);
            }
            let conflict = |&RowPosition { seq, row, .. }: &RowPosition| DeadRows { seq, row, rows: 1 };
            committed.dead_rows.extend(outcome.conflicts.iter().map(conflict));
            committed.dead.extend(dead.into_iter().map(|(reason, rows)| (part.lane, reason, rows)));
        }
        committed.dead_rows.sort_unstable();
        committed
    }
}

fn session_settings(stream: impl std::fmt::Display, role: &str) -> SessionSettings {
    SessionSettings {
        application_name: format!("forebay-writer {stream} {role}"),
        statement_timeout: STATEMENT_MAX,
        lock_timeout: LOCK_MAX,
        ..SessionSettings::default()
    }
}

/// The session's only joins are from staged rows to their facts by primary key; the staging table has no statistics by
/// which the planner could know, nor has a new partition. (It would take ten thousand facts of one time for one or two, and
/// compare each of them with each staged row.)
fn staging_settings(stream: impl std::fmt::Display, role: &str) -> SessionSettings {
    let parameters = vec![
        ("plan_cache_mode", "force_custom_plan"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("enable_seqscan", "off"),
        ("enable_bitmapscan", "off"),
        ("enable_material", "off"),
        ("work_mem", "16MB"),
    ];
    SessionSettings { parameters, ..session_settings(stream, role) }
}

async fn connect_writer(address: &ShardAddress, stream: StreamKind) -> Result<PgConnection, StepError> {
    let settings = staging_settings(stream, "commit");
    let addresses = ShardAddresses::from(address.clone());
    let (connection, _) = connect_primary(&addresses, &settings).await.map_err(|error| StepError::connect(&error))?;
    Ok(connection)
}

/// The compare-and-swap guards against other writers; this, against frames that were committed before, and against a hole
/// that the position would silently skip.
fn follow(from: Position, frames: &[IndexedFrame]) -> bool {
    (from.seq + 1..).zip(frames).all(|(expected, frame)| frame.frame().seq == expected)
}
