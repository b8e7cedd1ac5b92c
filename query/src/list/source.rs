//! The rows of one shard that belong to a list, read piece by piece: window after window, and within a window on from the
//! last row. Between two pieces it holds rows and no connection.

use std::sync::Arc;

use forebay_model::ownership::Unit;
use forebay_model::{Position, ShardId};
use forebay_shard::ShardError;
use forebay_shard::read::{Direction, Filter, Key, OrderRow, Read, Rows, Span, Statement, Subject, Window, Windows};
use tokio::sync::Semaphore;

use crate::error::ReadError;
use crate::list::hand::{Hand, Piece};
use crate::list::scan::Scan;
use crate::position::patience::Patience;
use crate::position::read_at::ReadAt;
use crate::replica::shard::Shard;
use crate::replica::shards::Shards;
use crate::unit::{Places, UnitRows};

/// A piece ends behind the row that exceeds this many bytes.
const PIECE_BYTES_MAX: usize = 1 << 20;

/// What a receipt comes to for a source: a position, or nothing.
#[derive(Clone, Copy, Debug)]
struct Settled(Option<Position>);

/// Whose rows they are.
enum RowsOf {
    /// Of the subject's unit, wherever it is.
    Unit(Unit, Places),
    /// Of all units: of what is in hand those rows are picked that are taken from this shard.
    All {
        /// Whether it was known, when the receipt was settled, that units have moved.
        has_moved: bool,
        /// What the first piece had to hold, once it was read.
        target: Option<Settled>,
    },
}

/// The rows of a shard for one subject.
pub(crate) struct Source {
    shards: Shards,
    /// The shard that has answered last.
    shard: Arc<Shard>,
    place: RowsOf,
    subject: Subject,
    direction: Direction,
    filter: Filter,
    span: Span,
    windows: Arc<Windows>,
    /// The window to read next; `None` behind the last.
    window: Option<usize>,
    /// The last row that was read.
    last: Key,
    /// How far the last piece reaches.
    reached: Key,
    hand: Hand,
    /// Of each log the earliest position of a piece: every piece holds what was committed before it.
    read_at: ReadAt,
}

impl Source {
    /// What a scan finds on a shard, as far as a part of its filter leaves it; where the subject is one unit, it begins at that shard.
    pub(crate) fn new(
        shards: Shards,
        shard: Arc<Shard>,
        (subject, has_moved): (Subject, bool),
        scan: &Scan,
        (part, filter): (usize, Filter),
    ) -> Self {
        let Scan { direction, span, last, .. } = scan.clone();
        let windows = shard.windows(subject.lane());
        let window = Some(windows.first(&last, span, direction));
        let (hand, reached, read_at) = (Hand::new(shard.id(), part), last.clone(), ReadAt::default());
        let place = match subject.unit() {
            Some(unit) => RowsOf::Unit(unit, Places::default()),
            None => RowsOf::All { has_moved, target: None },
        };
        Self { shards, shard, place, subject, direction, filter, span, windows, window, last, reached, hand, read_at }
    }

    /// The permits to read a piece of an export of its shard.
    pub(crate) fn export_reads(&self) -> Arc<Semaphore> {
        self.shard.export_reads()
    }

    pub(crate) fn shard_id(&self) -> ShardId {
        self.shard.id()
    }

    /// The logs that its rows came by, or that would change them, each with the position that was read.
    pub(crate) fn read_at(&self) -> &ReadAt {
        &self.read_at
    }

    /// What is in hand. Behind the last piece there is nothing.
    pub(crate) fn hand(&mut self) -> &mut Hand {
        &mut self.hand
    }

    /// Whether everything was read, or given up on.
    pub(crate) fn is_read(&self) -> bool {
        self.window.is_none()
    }

    /// Whether it is not known what comes next until more is read.
    pub(crate) fn is_empty_handed(&self) -> bool {
        self.hand.is_empty()
    }

    /// Gives up on what was not read yet.
    pub(crate) fn abandon(&mut self) {
        self.window = None;
        self.hand.give_up();
    }

    /// Reads on until `wanted` rows are in hand, or a piece's worth of bytes, or there are no more.
    pub(crate) async fn fill(&mut self, wanted: usize, patience: &Patience) -> Result<(), ReadError> {
        let windows = Arc::clone(&self.windows);
        // Of few among many there is seldom a page in one partition.
        let is_of_everybody = matches!(self.subject, Subject::Everybody { .. }) && self.filter.is_open();
        let mut look_near = windows.is_dense();
        while let Some(place) = self.window.filter(|_| self.hand.len() < wanted) {
            let Some(part) = windows.get(place) else { break };
            let near = is_of_everybody.then(|| windows.near(&self.last, self.span, self.direction));
            let window = near.filter(|_| std::mem::take(&mut look_near)).unwrap_or(part);
            let limit = wanted - self.hand.len();
            let Self { direction, filter, span, .. } = *self;
            let (subject, last) = (self.subject.clone(), self.last.clone());
            let read = Read::List { subject: &subject, direction, filter, span, last: last.borrowed(), limit };
            let statement = Statement::over(window, read, PIECE_BYTES_MAX);
            let rows = self.read_piece(&statement, patience).await?;
            let is_cut = rows.is_cut;
            let is_window_read = rows.facts.len() < limit && !is_cut;
            let is_part_read = is_window_read && window.covers(part);
            if is_part_read {
                self.window = windows.next(place, self.span, self.direction);
            }
            self.take(rows, is_part_read.then_some(part))?;
            if is_cut {
                break;
            }
            if let Some(near) = near {
                windows.note_density(!is_window_read && near.holds(self.last.ordered_at));
            }
        }
        Ok(())
    }

    async fn read_piece(&mut self, statement: &Statement<'_>, patience: &Patience) -> Result<Rows, ReadError> {
        // Another server than the first piece's may answer; it should not be behind that one.
        let with_floor =
            self.read_at.iter().fold(patience.clone(), |patience, (at, position)| patience.with_floor(at, position));
        match &mut self.place {
            RowsOf::Unit(unit, places) => {
                let UnitRows { shard, rows, seen } =
                    self.shards.read_unit(*unit, statement, &with_floor, places).await?;
                for (shard, position) in seen {
                    self.read_at.note(unit.stream().on(shard), position);
                }
                self.shard = self.shards.get(shard)?;
                Ok(rows)
            }
            RowsOf::All { has_moved, target } => {
                let stream = statement.stream().on(self.shard.id());
                // What the receipt means here is known once a piece was read.
                let patience = target.map_or(with_floor.clone(), |Settled(target)| with_floor.settled(stream, target));
                let after = self.shards.read_all(&self.shard, statement, &patience, *has_moved).await?;
                *target = Some(Settled(after.target));
                self.read_at.note(stream, after.rows.position);
                Ok(after.rows)
            }
        }
    }

    /// Takes over rows, which the merge relies on being in order, where they are all of a window that is read to its end, or of what comes first there.
    fn take(&mut self, rows: Rows, window: Option<&Window>) -> Result<(), ShardError> {
        let Rows { facts, units, .. } = rows;
        let keys = std::iter::once(self.last.borrowed()).chain(facts.iter().map(OrderRow::key));
        if !keys.is_sorted_by(|&before, &after| self.direction.is_before(before, after)) {
            return Err(ShardError::out_of_order(self.shard.id()));
        }
        if let Some(last) = facts.last() {
            self.last = last.key().to_key();
        }
        // What has come meanwhile before where the last piece ends was not there in its snapshot.
        let is_behind = |row: &OrderRow| self.direction.is_before(self.reached.borrowed(), row.key());
        let facts: Vec<_> = facts.into_iter().filter(is_behind).collect();
        if facts.is_empty() && window.is_none() {
            return Ok(());
        }
        let end = window.and_then(|window| window.end(self.direction));
        let is_farther = |end: &Key| self.direction.is_before(self.last.borrowed(), end.borrowed());
        self.reached = end.filter(is_farther).unwrap_or_else(|| self.last.clone());
        let until = self.window.is_some().then(|| self.reached.clone());
        let units = matches!(self.place, RowsOf::All { .. }).then_some(units);
        self.hand.push(Piece::new(facts, until, units));
        Ok(())
    }
}
