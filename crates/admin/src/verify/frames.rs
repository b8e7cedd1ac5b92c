//! The log against the counters and the rows.
//!
//! Behind the position the log is trimmed. Where nothing of what was counted has been trimmed yet, the sums must be equal;
//! of what is left of it, every row must be stored as it is, or lie among the dead letters.

use std::time::Duration;

use anyhow::{Result, bail};
use bytes::Bytes;
use forebay_log::{FrameReader, ReadError, ReadFrom, StoredFrame, StreamState};
use forebay_model::{PerLane, Position, StreamId};
use forebay_shard::{AcceptedLoss, DeadLetter, Disagreement, StreamPosition, Tally};

use super::gaps::Flaw;
use super::report::{DifferenceKind, LaneFigures};
use super::settings::Depth;
use super::snapshot::Snapshot;
use super::verification::{Verification, key_of, tuples};

/// The most bytes of frames that are taken at a time.
pub(super) const BYTES: usize = 4 << 20;
/// For how long a frame that is there may not come.
pub(super) const FRAME_MAX: Duration = Duration::from_secs(10);
/// How often it is begun again where the log is trimmed just ahead of the reading.
const ATTEMPTS: u32 = 5;

/// From where on rows in the log and rows that were counted are the same: the beginning, or the last accepted loss.
struct Base {
    seq: u64,
    rows: PerLane<Tally>,
}

/// What is read of a stream.
struct Stretch {
    stream: StreamId,
    /// The first frame.
    from: u64,
    to: Position,
    /// Every so many frames, one is compared row by row.
    step: u64,
    /// Rows whose letters have been purged: so many may still be missing.
    purged: PerLane<u64>,
}

impl Verification<'_> {
    /// Checks what the log still has of a stream up to its position. The figures are those of its lanes.
    pub(super) async fn log_of(
        &mut self,
        snapshot: &mut Snapshot,
        stored: &StreamPosition,
        figures: &mut [LaneFigures],
    ) -> Result<()> {
        let (stream, at) = (stored.stream.on(snapshot.shard), stored.position);
        let mut base = Base { seq: 0, rows: PerLane::default() };
        let mut purged = PerLane::default();
        for of in figures.iter() {
            if let Some(loss) = AcceptedLoss::last(&mut snapshot.connection, of.lane, at.incarnation).await? {
                base.seq = loss.after.seq;
                base.rows[of.lane] = loss.rows;
            }
            purged[of.lane] = of.dead.saturating_sub(of.rows_in_letters);
        }
        let mut is_whole = false;
        for attempt in 1.. {
            let state = self.log.stream_state(stream).await?;
            let from = state.first_seq.max(base.seq + 1);
            let mut stretch = Stretch { stream, from, to: at, step: self.step(&state, from, at), purged };
            match self.stretch(&mut stretch, figures).await {
                Ok(has_all) => {
                    is_whole = has_all && from == base.seq + 1;
                    break;
                }
                Err(ReadFault::Gap) if attempt < ATTEMPTS => {}
                Err(ReadFault::Gap) => bail!("{stream}: the log is trimmed faster than it can be read"),
                Err(ReadFault::Loss(reason)) => {
                    let detail = format!("{reason}; see `forebay log accept-loss {} {}`", stream.kind, stream.shard);
                    self.report.differs(stream.shard, stream.kind, DifferenceKind::Log, detail);
                    self.stands_still(stream);
                    return Ok(());
                }
                Err(ReadFault::Other(error)) => return Err(error),
            }
        }
        self.flaws_ahead(stream).await?;
        for of in figures {
            let counted = stored.rows[of.lane].rows() - base.rows[of.lane].rows();
            of.log_is_whole = is_whole;
            if is_whole && of.rows_in_log != counted {
                let detail = format!("the log has {} rows up to {at}, and {counted} were counted", of.rows_in_log);
                self.report.differs(stream.shard, of.lane, DifferenceKind::Log, detail);
            }
        }
        Ok(())
    }

    fn step(&self, state: &StreamState, from: u64, to: Position) -> u64 {
        let frames = (to.seq + 1).saturating_sub(from.max(state.first_seq));
        match self.depth {
            Depth::Full => 1,
            Depth::Sample(wanted) => frames.div_ceil(u64::from(wanted.div_ceil(10))).max(1),
        }
    }

    /// Reads a stretch once: sums up its rows, and compares some of its frames. `false` where frames of it are missing or damaged.
    async fn stretch(&mut self, stretch: &mut Stretch, figures: &mut [LaneFigures]) -> Result<bool, ReadFault> {
        for of in &mut *figures {
            (of.rows_in_log, of.frames_compared) = (0, 0);
        }
        let Stretch { stream, from, to, step, .. } = *stretch;
        let mut next = from;
        let mut flaws = Vec::new();
        // Also where there is nothing to read: the log may be another one.
        let mut reader = self.reader(stream, Position { seq: from - 1, ..to }).await?;
        while next <= to.seq {
            let batch = match reader.next_batch_within(usize::MAX, BYTES, FRAME_MAX).await {
                Err(ReadError::Gap { next: behind, .. }) if !self.is_trimmed(stream, behind).await? => {
                    flaws.push(Flaw::Gone(next..=to.seq.min(behind - 1)));
                    next = behind;
                    reader = self.reader(stream, Position { seq: next - 1, ..to }).await?;
                    continue;
                }
                Err(ReadError::Damaged { seq, damage, .. }) => {
                    flaws.push(Flaw::Damaged(seq, damage));
                    next = seq + 1;
                    reader = self.reader(stream, Position { seq, ..to }).await?;
                    continue;
                }
                batch => batch?,
            };
            if batch.is_empty() {
                return Err(ReadFault::Loss(format!("frame {next} is not in the log, and the position is {to}")));
            }
            for frame in batch.iter().take_while(|frame| frame.position.seq <= to.seq) {
                let Some(of) = figures.iter_mut().find(|of| of.lane == frame.lane) else { continue };
                of.rows_in_log += u64::from(frame.rows());
                if (frame.position.seq - from) % step == 0 {
                    self.frame(stretch, frame).await.map_err(ReadFault::Other)?;
                    of.frames_compared += 1;
                }
            }
            next = batch.last().map_or(next, |frame| frame.position.seq + 1);
        }
        for flaw in &flaws {
            self.flaw_behind(stream, flaw, to);
        }
        Ok(flaws.is_empty())
    }

    async fn reader(&self, stream: StreamId, position: Position) -> Result<FrameReader, ReadError> {
        self.log.read(stream, Some(ReadFrom { position, frame_id: None })).await
    }

    /// Whether a log begins with that frame or behind it, so that what is missing before has been trimmed.
    pub(super) async fn is_trimmed(&self, stream: StreamId, behind: u64) -> Result<bool, ReadError> {
        Ok(self.log.stream_state(stream).await?.first_seq >= behind)
    }

    /// Every row of a frame is stored as it is, or lies among the dead letters.
    async fn frame(&mut self, stretch: &mut Stretch, stored: &StoredFrame) -> Result<()> {
        let (lane, shard, position) = (stored.lane, stretch.stream.shard, stored.position);
        let dead = DeadLetter::rows_of_frame(&mut *self.pool(shard)?.acquire().await?, lane, position).await?;
        let is_dead = |row: u32| dead.iter().any(|&(first, rows)| (first..first.saturating_add(rows)).contains(&row));
        let readable = stored.frame.as_ref().map(|frame| tuples(lane, &frame.payload)).unwrap_or_default();
        let (mut lost, mut missing) = (Vec::new(), Vec::new());
        // What cannot be read is one letter, which begins where reading ends.
        if readable.len() < stored.rows() as usize && !is_dead(readable.len() as u32) {
            missing.push(format!("row {} cannot be read, and is no dead letter", readable.len()));
        }
        let (rows, facts): (Vec<u32>, Vec<Bytes>) = (0..).zip(readable).filter(|&(row, _)| !is_dead(row)).unzip();
        for difference in self.differences(shard, lane, &facts).await? {
            let (row, fact) = (rows[difference.fact], &facts[difference.fact]);
            let (what, those) = match difference.disagreement {
                Disagreement::Missing { .. } => ("is not stored".to_owned(), &mut missing),
                Disagreement::Other { .. } => ("is stored with other content".to_owned(), &mut lost),
                Disagreement::Refused { detail } => (format!("cannot be stored ({detail})"), &mut missing),
            };
            let of = key_of(lane, fact).map_or_else(String::new, |key| format!(" of {key}"));
            those.push(format!("row {row}{of} {what}, and is no dead letter"));
        }
        if missing.len() as u64 > stretch.purged[lane] {
            lost.append(&mut missing);
        } else if !missing.is_empty() {
            // A letter that has been purged explains one row, once.
            stretch.purged[lane] -= missing.len() as u64;
            let (seq, rows) = (position.seq, missing.len());
            self.report.notes.push(format!(
                "lane {lane} of shard {shard}: {rows} rows of frame {seq} are neither stored nor dead letters; letters have been purged"
            ));
        }
        for detail in lost {
            let detail = format!("frame {}, {detail}", position.seq);
            self.report.differs(shard, lane, DifferenceKind::LoggedFact, detail);
        }
        Ok(())
    }
}

/// Why a stretch was not read.
enum ReadFault {
    /// It has been trimmed meanwhile.
    Gap,
    /// The log is not the one that the position is of.
    Loss(String),
    Other(anyhow::Error),
}

impl From<ReadError> for ReadFault {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Gap { .. } => Self::Gap,
            error if error.is_loss() => Self::Loss(error.to_string()),
            error => Self::Other(error.into()),
        }
    }
}
