//! How the facts of one lane are written to one shard.
//!
//! **The position moves in the transaction of the rows.** A batch is applied exactly once, whatever crashes when, because the
//! rows, the dead letters and the position of a batch are one transaction, and the position is moved by compare-and-swap: two
//! writers at once cannot both succeed.
//!
//! | module | concept |
//! |---|---|
//! | `sift` | what of a batch can be sent, and what cannot |
//! | `attempt` | one transaction |
//! | `arrange` | the order in which rows are sent |
//! | `copy` | tuples into a table |
//! | `statements` | the SQL of a lane |
//! | `staging` | the way through the staging table |
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
mod path;
mod sift;
mod staging;
mod statements;
pub(crate) mod step;
mod times;

use std::sync::Arc;
use std::time::Duration;

use forebay_model::{Lane, Position, Timestamp};
use sqlx::postgres::PgConnection;

use self::attempt::{Attempt, AttemptError, End, Session};
use self::bisect::{Sessions, bisect};
pub use self::comparison::{Comparison, Difference, Disagreement};
pub use self::error::{CommitError, StoreError};
use self::path::Path;
use self::sift::{Sifted, sift};
use self::statements::Statements;
use self::step::{Fault, Step, StepError, step, within};
use crate::address::{ShardAddress, ShardAddresses};
use crate::dead_letter::{Reason, RowPosition};
use crate::frame::IndexedFrame;
use crate::partition::{self, Granularity, Ranges, Span};
use crate::position::{LanePosition, Tally};
use crate::session::{SessionSettings, connect_primary};

/// A statement whose client is gone is ended by the server after this long at the latest.
const STATEMENT_MAX: Duration = Duration::from_secs(30);
/// Somebody may hold a lock on a table for long; the lane tries again rather than stand in the queue and stop others.
const LOCK_MAX: Duration = Duration::from_secs(4);
/// Partitions for facts of many days take a while.
const PARTITIONS_MAX: Duration = Duration::from_mins(1);
/// The first part of the advisory locks' key; the second is the lane's.
const LEAD_LOCK: i32 = 0x666f_7265;

/// How a lane is written.
#[derive(Clone, Debug, Default)]
pub struct LaneSettings {
    /// How long new partitions are.
    pub granularity: Granularity,
    /// How many partitions after the present one are made ahead.
    pub partitions_ahead: u32,
    /// Runs when all of a transaction is sent but its COMMIT: there a test ends the process.
    pub before_commit: Option<fn()>,
}

/// The writing end of one lane of one shard.
///
/// It has two connections: one that holds the lead and looks after partitions, and one for transactions, which is closed
/// after any failure. After an error other than [`CommitError::Fenced`] nothing of it should be used any more: open another.
#[derive(Debug)]
pub struct LaneStore {
    lane: Lane,
    settings: LaneSettings,
    address: ShardAddress,
    statements: Arc<Statements>,
    control: PgConnection,
    session: Option<Session>,
    ranges: Ranges,
    path: Path,
}

/// What a commit has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// How many of the frames, from the first: the whole batch, except after frames with rows that the server refuses.
    pub frames: usize,
    /// Where the position is now.
    pub position: Position,
    /// What became of the rows.
    pub rows: Tally,
    /// How many rows died of what.
    pub dead: Vec<(Reason, u64)>,
    /// Whether they went through the staging table.
    pub was_staged: bool,
}

impl LaneStore {
    /// Connects to the shard's primary and reads which partitions there are.
    pub async fn open(addresses: &ShardAddresses, lane: Lane, settings: LaneSettings) -> Result<Self, StoreError> {
        let (mut control, address) = connect_primary(addresses, &session_settings(lane, "lead")).await?;
        let ranges = read_ranges(&mut control, lane).await?;
        Ok(Self {
            lane,
            settings,
            address,
            statements: Arc::new(Statements::new(lane)),
            control,
            session: None,
            ranges,
            path: Path::default(),
        })
    }

    /// The server that it writes to: the first of the shard's addresses that was a primary.
    pub fn address(&self) -> &ShardAddress {
        &self.address
    }

    /// Takes the lead of this lane and shard, unless another writer has it. The lead only keeps a second writer quiet; what
    /// keeps it from doing harm is the position.
    pub async fn try_lead(&mut self) -> Result<bool, StoreError> {
        const SQL: &str = "select pg_try_advisory_lock($1, $2)";
        let lock = sqlx::query_scalar(SQL).bind(LEAD_LOCK).bind(self.lane.spec().lock).fetch_one(&mut self.control);
        Ok(step(Step::Lead, lock).await?)
    }

    /// The stored position; `None` before the first start. It also shows whether the shard still answers.
    pub async fn position(&mut self) -> Result<Option<LanePosition>, StoreError> {
        Ok(step(Step::Position, LanePosition::of(&mut self.control, self.lane)).await?)
    }

    /// Begins at a position, unless there is one already. Returns the one that is there.
    pub async fn begin_at(&mut self, position: Position) -> Result<LanePosition, StoreError> {
        const SQL: &str = "insert into lane_position (lane, incarnation, stream_seq, frame_id, committed_at, epoch) \
            values ($1, $2, $3, '', clock_timestamp(), 0) on conflict (lane) do nothing";
        let begin = sqlx::query(SQL)
            .bind(self.lane.as_str())
            .bind(position.incarnation.get().cast_signed())
            .bind(position.seq.cast_signed())
            .execute(&mut self.control);
        step(Step::Position, begin).await?;
        self.position().await?.ok_or_else(StoreError::position_gone)
    }

    /// Makes the partition of the present and some ahead. Returns how many are new.
    pub async fn make_partitions_ahead(&mut self, now: Timestamp) -> Result<usize, StoreError> {
        if !self.lane.is_partitioned_by_time() {
            return Ok(0);
        }
        let slots = self.settings.granularity.slots_from(now, self.settings.partitions_ahead.saturating_add(1));
        let wanted: Vec<Span> = slots.filter(|&slot| !self.ranges.gaps(slot).is_empty()).collect();
        self.make_partitions(&wanted).await
    }

    /// Commits frames that follow `from`, or the first of them, and moves the position there.
    ///
    /// # Errors
    /// [`CommitError::Fenced`] where the position is not at `from`, [`CommitError::Violated`] where going on would make the sums
    /// wrong; then nothing was committed. After any other error the position must be read again:
    /// a COMMIT whose answer was lost may have been done.
    pub async fn commit(&mut self, frames: &[IndexedFrame], from: Position) -> Result<Committed, CommitError> {
        if !follow(from, frames) {
            return Err(CommitError::violated("the frames do not follow the position, or each other"));
        }
        if frames.iter().any(|frame| frame.lane() != self.lane) {
            return Err(CommitError::violated("the frames were read as those of another lane"));
        }
        let mut count = frames.len();
        loop {
            match self.commit_all(&frames[..count], from).await? {
                Some(committed) => return Ok(committed),
                // Some row is refused, or they are too many for the server: the good frames before it go first.
                None => count = count.div_ceil(2),
            }
        }
    }

    /// `None` where these frames cannot be committed together, but maybe fewer of them.
    async fn commit_all(&mut self, frames: &[IndexedFrame], from: Position) -> Result<Option<Committed>, CommitError> {
        let Some(last) = frames.last().map(IndexedFrame::frame) else { return Ok(Some(Committed::nothing(from))) };
        let mut sifted = self.sift(frames).await?;
        let mut is_searched = false;
        loop {
            let is_straight = self.path.is_straight();
            let session = self.take().await?;
            let attempt = Attempt {
                lane: self.lane,
                statements: &self.statements,
                straight: is_straight.then_some(&self.ranges),
                ranges: &sifted.ranges,
                rows: frames.iter().map(|frame| u64::from(frame.frame().rows)).sum(),
                letters: &sifted.letters,
                before_commit: self.settings.before_commit,
                times: sifted.times,
                from,
                to: End {
                    row: RowPosition { seq: last.seq, row: 0, epoch: last.epoch, enqueued_at: last.enqueued_at },
                    frame_id: &last.id,
                },
            };
            let error = match attempt.run(session).await {
                Ok((session, rows)) => {
                    self.session = Some(session);
                    self.path.committed(rows.stored == sifted.rows());
                    let position = Position { seq: last.seq, ..from };
                    let dead = dead_by_reason(&sifted, rows);
                    return Ok(Some(Committed {
                        frames: frames.len(),
                        position,
                        rows,
                        dead,
                        was_staged: !is_straight,
                    }));
                }
                Err(AttemptError::Step(error)) => error,
                Err(error) => return Err(error.into()),
            };
            let Some(fault) = error.fault_of_rows() else { return Err(error.into()) };
            if is_straight {
                self.path.refused();
            }
            match fault {
                Fault::Duplicate if is_straight => {}
                Fault::Data if self.lost_partitions(frames).await? => sifted = self.sift(frames).await?,
                Fault::Data | Fault::TooMuch if frames.len() > 1 => return Ok(None),
                Fault::Data if !is_searched => {
                    is_searched = true;
                    self.set_refused_apart(&mut sifted).await?;
                }
                _ => return Err(error.into()),
            }
        }
    }

    /// Sees what can be sent, and makes the partitions that it needs.
    async fn sift<'a>(&mut self, frames: &'a [IndexedFrame]) -> Result<Sifted<'a>, StoreError> {
        let sifted = sift(frames, &self.ranges, self.settings.granularity);
        self.make_partitions(&sifted.missing).await?;
        Ok(sifted)
    }

    async fn make_partitions(&mut self, wanted: &[Span]) -> Result<usize, StoreError> {
        if wanted.is_empty() {
            return Ok(0);
        }
        let create = partition::create(&mut self.control, self.lane.table(), wanted);
        let (ranges, created) = within(PARTITIONS_MAX, Step::Partitions, create).await?;
        self.ranges = ranges;
        Ok(created)
    }

    /// Whether facts were refused because a partition that was known is not there any more: somebody detached it.
    async fn lost_partitions(&mut self, frames: &[IndexedFrame]) -> Result<bool, StoreError> {
        self.ranges = read_ranges(&mut self.control, self.lane).await?;
        Ok(!sift(frames, &self.ranges, self.settings.granularity).missing.is_empty())
    }

    /// Moves the rows that the server refuses from what is sent to the dead letters.
    async fn set_refused_apart(&mut self, sifted: &mut Sifted<'_>) -> Result<(), CommitError> {
        let statements = self.statements.clone();
        let parted = bisect(self, self.lane, &statements, &sifted.ranges).await?;
        sifted.ranges = parted.taken;
        sifted.letters.extend(parted.refused);
        Ok(())
    }
}

impl Sessions for LaneStore {
    async fn take(&mut self) -> Result<Session, StepError> {
        if let Some(session) = self.session.take() {
            return Ok(session);
        }
        let connection = connect_writer(&self.address, self.lane).await?;
        Ok(Session { connection, has_staged: false })
    }

    fn give_back(&mut self, session: Session) {
        self.session = Some(session);
    }
}

impl Committed {
    fn nothing(position: Position) -> Self {
        Self { frames: 0, position, rows: Tally::default(), dead: Vec::new(), was_staged: false }
    }
}

fn session_settings(lane: Lane, role: &str) -> SessionSettings {
    SessionSettings {
        application_name: format!("forebay-writer {lane} {role}"),
        statement_timeout: STATEMENT_MAX,
        lock_timeout: LOCK_MAX,
        ..SessionSettings::default()
    }
}

/// The session's only joins are from staged rows to their facts by primary key; the staging table has no statistics by
/// which the planner could know, nor has a new partition. (It would take ten thousand facts of one time for one or two, and
/// compare each of them with each staged row.)
fn staging_settings(lane: Lane, role: &str) -> SessionSettings {
    let parameters = vec![
        ("plan_cache_mode", "force_custom_plan"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("enable_seqscan", "off"),
        ("enable_bitmapscan", "off"),
        ("enable_material", "off"),
        ("work_mem", "16MB"),
    ];
    SessionSettings { parameters, ..session_settings(lane, role) }
}

async fn connect_writer(address: &ShardAddress, lane: Lane) -> Result<PgConnection, StepError> {
    let settings = staging_settings(lane, "commit");
    let addresses = ShardAddresses::from(address.clone());
    let (connection, _) = connect_primary(&addresses, &settings).await.map_err(|error| StepError::connect(&error))?;
    Ok(connection)
}

/// The compare-and-swap guards against other writers; this, against frames that were committed before, and against a hole
/// that the position would silently skip.
fn follow(from: Position, frames: &[IndexedFrame]) -> bool {
    (from.seq + 1..).zip(frames).all(|(expected, frame)| frame.frame().seq == expected)
}

async fn read_ranges(control: &mut PgConnection, lane: Lane) -> Result<Ranges, StoreError> {
    if !lane.is_partitioned_by_time() {
        return Ok(Ranges::default());
    }
    Ok(step(Step::Partitions, partition::read_ranges(control, lane.table())).await?)
}

fn dead_by_reason(sifted: &Sifted<'_>, rows: Tally) -> Vec<(Reason, u64)> {
    let mut dead = std::collections::BTreeMap::new();
    for letter in &sifted.letters {
        *dead.entry(letter.reason).or_default() += u64::from(letter.rows);
    }
    let conflicts = rows.dead - sifted.dead();
    if conflicts > 0 {
        dead.insert(Reason::Conflict, conflicts);
    }
    dead.into_iter().collect()
}
