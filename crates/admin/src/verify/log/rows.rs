//! Rows of the log, those of many frames at a time: each is stored as it is, or lies among the dead letters.
//!
//! What a comparison costs beside its rows is the same for nine of them and for thousands, so small frames are gathered.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use anyhow::Result;
use bytes::Bytes;
use forebay_log::StoredFrame;
use forebay_model::{Lane, PerLane, ShardId, StreamId, Tuples, ViewId};
use forebay_shard::{DeadLetter, Difference, Disagreement};

use crate::verify::report::DifferenceKind;
use crate::verify::verification::{Verification, key_of, tuples};

/// Rows that are compared at a time.
const ROWS: usize = 8192;
/// Bytes of frames that are.
const BYTES: usize = 4 << 20;

/// Frames whose rows are to be compared, by their lanes.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    frames: BTreeMap<Lane, Vec<StoredFrame>>,
    rows: usize,
    bytes: usize,
}

/// What a frame's rows have come to.
#[derive(Debug, Default)]
struct Outcome {
    /// Rows that are not stored, and no letters.
    missing: Vec<String>,
    /// Rows that are stored with another content.
    other: Vec<String>,
}

impl Gathered {
    pub(crate) fn add(&mut self, frame: StoredFrame) {
        let Some(lane) = frame.kind.lane() else { return };
        self.rows = self.rows.saturating_add(frame.rows() as usize);
        self.bytes += frame.payload().len();
        self.frames.entry(lane).or_default().push(frame);
    }

    /// Whether it is time to compare them.
    pub(crate) fn is_full(&self) -> bool {
        self.rows >= ROWS || self.bytes >= BYTES
    }
}

impl Verification<'_> {
    /// Every row of these frames is stored as it is, or lies among the dead letters. As many rows of each lane as are in `purged` may
    /// still be missing, because their letters were purged.
    pub(crate) async fn rows_of(
        &mut self,
        stream: StreamId,
        gathered: Gathered,
        purged: &mut PerLane<u64>,
    ) -> Result<()> {
        for (lane, frames) in gathered.frames {
            let outcomes = self.outcomes(stream.shard, lane, &frames).await?;
            for (frame, outcome) in frames.iter().zip(outcomes) {
                self.judge((stream.shard, lane), frame.position.seq, outcome, &mut purged[lane]);
            }
        }
        Ok(())
    }

    /// What the rows of frames of one lane have come to, frame by frame.
    async fn outcomes(&self, shard: ShardId, lane: Lane, frames: &[StoredFrame]) -> Result<Vec<Outcome>> {
        let dead = self.dead(shard, lane, frames).await?;
        let mut outcomes = Vec::with_capacity(frames.len());
        let (mut places, mut facts): (Vec<(usize, u32)>, Vec<Bytes>) = (Vec::new(), Vec::new());
        for (number, stored) in frames.iter().enumerate() {
            let letters = dead.get(&stored.position.seq).map_or(&[][..], Vec::as_slice);
            let is_dead = |row: u32| letters.iter().any(|letter| letter.contains(&row));
            let tuples = stored.frame.as_ref().map(|frame| tuples(lane, &frame.payload)).unwrap_or_default();
            let mut outcome = Outcome::default();
            // Where nothing says where the next row begins, all that is missing is one letter.
            if tuples.len() < stored.rows() as usize && !is_dead(tuples.len() as u32) {
                outcome.missing.push(format!("row {} is not there, and is no dead letter", tuples.len()));
            }
            for (row, fact) in (0..).zip(tuples).filter(|&(row, _)| !is_dead(row)) {
                let fact = match fact {
                    Ok(fact) => fact,
                    Err(error) => {
                        outcome.missing.push(format!("row {row} cannot be read, and is no dead letter: {error}"));
                        continue;
                    }
                };
                if matches!(lane, Lane::Views | Lane::ViewEvents) && !self.is_in_force(lane, &fact) {
                    continue;
                }
                places.push((number, row));
                facts.push(fact);
            }
            outcomes.push(outcome);
        }
        for Difference { fact, disagreement } in self.scope.differences_at_home(lane, &facts).await? {
            let (number, row) = places[fact];
            outcomes[number].add(lane, row, &facts[fact], disagreement);
        }
        Ok(outcomes)
    }

    /// Whether a fact is one of a view that there is. What there was of one that was dropped may be gone.
    fn is_in_force(&self, lane: Lane, fact: &Bytes) -> bool {
        let tuple = Tuples::new(lane, fact).next().and_then(Result::ok);
        let number = tuple.and_then(|tuple| Some(u16::from_be_bytes(tuple.named("view")?.try_into().ok()?)));
        let view = number.and_then(|number| ViewId::new(number).ok());
        view.is_none_or(|view| self.scope.views.get(view).is_some())
    }

    /// The rows of frames that lie among the dead letters, by the frame's sequence number.
    async fn dead(&self, shard: ShardId, lane: Lane, frames: &[StoredFrame]) -> Result<HashMap<u64, Vec<Range<u32>>>> {
        let mut dead: HashMap<u64, Vec<Range<u32>>> = HashMap::new();
        let (Some(first), Some(last)) = (frames.first(), frames.last()) else { return Ok(dead) };
        let mut connection = self.scope.pool(shard)?.acquire().await?;
        let (incarnation, seqs) = (first.position.incarnation, first.position.seq..=last.position.seq);
        for (seq, rows) in DeadLetter::rows_of_frames(&mut connection, lane, incarnation, seqs).await? {
            dead.entry(seq).or_default().push(rows);
        }
        Ok(dead)
    }

    fn judge(&mut self, (shard, lane): (ShardId, Lane), seq: u64, outcome: Outcome, purged: &mut u64) {
        let Outcome { mut missing, other: mut wrong } = outcome;
        if missing.len() as u64 > *purged {
            wrong.append(&mut missing);
        } else if !missing.is_empty() {
            // A letter that has been purged explains one row, once.
            *purged -= missing.len() as u64;
            let rows = missing.len();
            self.report.notes.push(format!(
                "lane {lane} of shard {shard}: {rows} rows of frame {seq} are neither stored nor dead letters; letters have been purged"
            ));
        }
        for detail in wrong {
            self.report.differs(shard, lane, DifferenceKind::LoggedFact, format!("frame {seq}, {detail}"));
        }
    }
}

impl Outcome {
    fn add(&mut self, lane: Lane, row: u32, fact: &Bytes, disagreement: Disagreement) {
        let (what, those) = match disagreement {
            Disagreement::Missing { .. } => ("is not stored".to_owned(), &mut self.missing),
            Disagreement::Other { .. } => ("is stored with other content".to_owned(), &mut self.other),
            Disagreement::Refused { detail } => (format!("cannot be stored ({detail})"), &mut self.missing),
        };
        let of = key_of(lane, fact).map_or_else(String::new, |key| format!(" of {key}"));
        those.push(format!("row {row}{of} {what}, and is no dead letter"));
    }
}
