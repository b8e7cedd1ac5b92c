//! The log against the counters and the rows.
//!
//! Behind the position the log is trimmed. Where nothing of what was counted has been trimmed yet, the sums must be equal;
//! of what is left of it, every row must be stored as it is, or lie among the dead letters.

use anyhow::{Result, bail};
use forebay_log::{ReadError, StoredFrame, StreamState};
use forebay_model::{PerLane, Position, StreamId};
use forebay_shard::{StreamPosition, Tally};

use super::rows::Gathered;
use super::walk::{Flaw, Met, Walk};
use crate::verify::report::{DifferenceKind, LaneFigures};
use crate::verify::settings::Depth;
use crate::verify::verification::Verification;

/// How often it is begun again where the log is trimmed just ahead of the reading.
const ATTEMPTS: u32 = 5;

/// What a stream's log is compared with: all of one snapshot.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) stream: StreamId,
    /// Where nothing was ever committed, there is none.
    pub(crate) position: Option<StreamPosition>,
    pub(crate) base: Base,
    /// Those of its lanes.
    pub(crate) figures: Vec<LaneFigures>,
}

/// From where on rows in the log and rows that were counted are the same: the beginning, or the last accepted loss.
#[derive(Debug, Default)]
pub(crate) struct Base {
    pub(crate) seq: u64,
    pub(crate) rows: PerLane<Tally>,
}

/// What is read of a stream.
#[derive(Debug)]
struct Stretch {
    stream: StreamId,
    /// The first frame.
    from: u64,
    to: Position,
    /// One in this number of frames is compared row by row.
    step: u64,
    /// Rows whose letters have been purged: that number may still be missing.
    purged: PerLane<u64>,
}

impl Verification<'_> {
    /// Checks what the log still has of a stream up to its position.
    pub(crate) async fn log_of(&mut self, counted: &mut Counted) -> Result<()> {
        let Counted { stream, position: Some(stored), base, figures } = counted else { return Ok(()) };
        let (stream, at) = (*stream, stored.position);
        let mut purged = PerLane::default();
        for of in figures.iter() {
            purged[of.lane] = of.dead.saturating_sub(of.rows_in_letters);
        }
        let mut is_whole = false;
        for attempt in 1.. {
            let state = self.scope.log.stream_state(stream).await?;
            let from = state.first_seq.max(base.seq + 1);
            let stretch = Stretch { stream, from, to: at, step: self.step(&state, from, at), purged };
            let mut reading = self.branch();
            let read = reading.stretch(stretch, figures).await;
            if matches!(read, Err(ReadFault::Trimmed)) && attempt < ATTEMPTS {
                continue;
            }
            self.report.add(reading.into_report());
            match read {
                Ok(has_all) => is_whole = has_all && from == base.seq + 1,
                Err(ReadFault::Trimmed) => bail!("{stream}: the log is trimmed faster than it can be read"),
                Err(ReadFault::Loss(reason)) => {
                    self.lost(stream, &reason);
                    return Ok(());
                }
                Err(ReadFault::Other(error)) => return Err(error),
            }
            break;
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

    /// Tells that a log is not the one that the position is of.
    fn lost(&mut self, stream: StreamId, reason: &str) {
        let detail = format!("{reason}; see `forebay log accept-loss {} {}`", stream.kind, stream.shard);
        self.report.differs(stream.shard, stream.kind, DifferenceKind::Log, detail);
        self.scope.stands_still(stream);
    }

    fn step(&self, state: &StreamState, from: u64, to: Position) -> u64 {
        let frames = (to.seq + 1).saturating_sub(from.max(state.first_seq));
        match self.scope.depth {
            Depth::Full => 1,
            Depth::Sample(wanted) => frames.div_ceil(u64::from(wanted.div_ceil(10))).max(1),
        }
    }

    /// Reads a stretch once: sums up its rows, and compares some of its frames. `false` where frames of it are missing or damaged.
    /// While rows are compared, the log is read ahead.
    async fn stretch(&mut self, mut stretch: Stretch, figures: &mut [LaneFigures]) -> Result<bool, ReadFault> {
        for of in &mut *figures {
            (of.rows_in_log, of.frames_compared) = (0, 0);
        }
        let Stretch { stream, from, to, .. } = stretch;
        let mut flaws: Vec<Flaw> = Vec::new();
        let mut gathered = Gathered::default();
        let mut walk = Walk::behind(&self.scope.log, stream, Position { seq: from - 1, ..to });
        // Also where there is nothing to read: the log may be another one.
        walk.open().await?;
        while walk.seq() < to.seq {
            let frames = match walk.next().await? {
                Met::Frames(frames) => frames,
                Met::Flaw(flaw) => {
                    flaws.push(flaw.up_to(to.seq));
                    continue;
                }
                Met::Nothing => {
                    let next = walk.seq() + 1;
                    return Err(ReadFault::Loss(format!("frame {next} is not in the log, and the position is {to}")));
                }
            };
            for frame in frames.into_iter().take_while(|frame| frame.position.seq <= to.seq) {
                stretch.take(frame, figures, &mut gathered);
                if gathered.is_full() {
                    let full = std::mem::take(&mut gathered);
                    self.rows_of(stream, full, &mut stretch.purged).await.map_err(ReadFault::Other)?;
                }
            }
        }
        self.rows_of(stream, gathered, &mut stretch.purged).await.map_err(ReadFault::Other)?;
        for flaw in &flaws {
            self.flaw_behind(stream, flaw, to);
        }
        Ok(flaws.is_empty())
    }
}

impl Stretch {
    /// Counts a frame's rows, and gathers it where it is among those that are compared.
    fn take(&self, frame: StoredFrame, figures: &mut [LaneFigures], gathered: &mut Gathered) {
        let Some(of) = figures.iter_mut().find(|of| Some(of.lane) == frame.kind.lane()) else { return };
        of.rows_in_log += u64::from(frame.rows());
        if (frame.position.seq - self.from).is_multiple_of(self.step) {
            of.frames_compared += 1;
            gathered.add(frame);
        }
    }
}

/// Why a stretch was not read.
enum ReadFault {
    /// It has been trimmed meanwhile.
    Trimmed,
    /// The log is not the one that the position is of.
    Loss(String),
    Other(anyhow::Error),
}

impl From<ReadError> for ReadFault {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Gap { .. } => Self::Trimmed,
            error if error.is_loss() => Self::Loss(error.to_string()),
            error => Self::Other(error.into()),
        }
    }
}
