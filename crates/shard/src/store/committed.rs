//! What a commit has done.

use std::collections::BTreeMap;

use forebay_model::ownership::Taken;
use forebay_model::{Lane, PerLane, Position, Timestamp, ViewSet};

use super::lane::LanePart;
use super::transaction::attempt::Outcome;
use crate::dead_letter::{DeadRows, Reason};
use crate::frame::{IndexedFrame, RowPosition};
use crate::position::Tally;
use crate::read::eventful::Eventful;

/// What a commit has done.
#[derive(Clone, Debug)]
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
    /// The stored orders that events are about, where one of both came with these frames.
    pub eventful: Vec<Eventful>,
    /// The times of the rows whose status is another now.
    pub restated: Vec<Timestamp>,
    /// Which rows are not decided here, in order.
    pub away: Vec<DeadRows>,
    /// What each control frame has done that says whose a unit is.
    pub taken: Vec<Taken>,
    /// What was parked, and is decided by one of these: as frames that stand where the control frame does.
    pub unparked: Vec<IndexedFrame>,
}

impl Committed {
    pub(super) fn nothing(position: Position) -> Self {
        let (rows, dead, dead_rows) = (PerLane::default(), Vec::new(), Vec::new());
        let (views, eventful, restated) = (None, Vec::new(), Vec::new());
        let (away, taken, unparked) = (Vec::new(), Vec::new(), Vec::new());
        let was_staged = false;
        Self {
            frames: 0,
            position,
            rows,
            dead,
            dead_rows,
            was_staged,
            views,
            eventful,
            restated,
            away,
            taken,
            unparked,
        }
    }

    pub(super) fn of(frames: usize, position: Position, parts: &[LanePart<'_>], outcomes: &[Outcome]) -> Self {
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
