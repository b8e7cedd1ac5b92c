//! The rows of one shard that belong to a list, read piece by piece: window after window, and within a window on from the
//! last row. Between two pieces it holds rows and no connection.

use std::collections::VecDeque;
use std::sync::Arc;

use forebay_model::{Position, ShardId, StreamId, Tenant};
use forebay_shard::ShardError;
use forebay_shard::read::{Direction, Filter, Key, OrderRow, Read, Span, Statement, Subject, Windows};
use tokio::sync::Semaphore;

use crate::error::ReadError;
use crate::list::scan::Scan;
use crate::position::history::is_later;
use crate::position::patience::Patience;
use crate::replica::shard::Shard;
use crate::replica::shards::Shards;
use crate::replica::wait::RowsAfter;

/// A piece ends behind the row that exceeds this many bytes.
const PIECE_BYTES_MAX: usize = 1 << 20;

/// What a receipt comes to for a source: a position, or nothing.
#[derive(Clone, Copy, Debug)]
struct Settled(Option<Position>);

/// The rows of a shard for one subject.
pub(crate) struct Source {
    shards: Shards,
    shard: Arc<Shard>,
    tenant: Tenant,
    subject: Subject,
    direction: Direction,
    filter: Filter,
    span: Span,
    windows: Arc<Windows>,
    /// The window to read next; `None` behind the last.
    window: Option<usize>,
    /// The last row that was read.
    last: Key,
    rows: VecDeque<OrderRow>,
    /// The earliest position of a piece: every piece holds what was committed before it.
    position: Option<Position>,
    /// What the first piece had to hold, once it was read.
    target: Option<Settled>,
}

impl Source {
    /// What a scan finds on a shard, as far as a part of its filter leaves it.
    pub(crate) fn new(shards: Shards, shard: Arc<Shard>, subject: Subject, scan: &Scan, filter: Filter) -> Self {
        let Scan { tenant, direction, span, last, .. } = scan.clone();
        let windows = shard.windows(subject.lane());
        let window = Some(windows.first(&last, span, direction));
        let (rows, position, target) = (VecDeque::new(), None, None);
        Self { shards, shard, tenant, subject, direction, filter, span, windows, window, last, rows, position, target }
    }

    /// The log that its rows came by.
    pub(crate) fn stream(&self) -> StreamId {
        self.subject.lane().on(self.shard.id())
    }

    /// The permits to read a piece of an export of its shard.
    pub(crate) fn export_reads(&self) -> Arc<Semaphore> {
        self.shard.export_reads()
    }

    pub(crate) fn shard_id(&self) -> ShardId {
        self.shard.id()
    }

    /// Whose orders they are.
    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The position that its rows were read at.
    pub(crate) fn position(&self) -> Option<Position> {
        self.position
    }

    /// The next row. `None` is the end only where [`Source::is_empty_handed`] does not say that more must be read.
    pub(crate) fn head(&self) -> Option<&OrderRow> {
        self.rows.front()
    }

    pub(crate) fn pop(&mut self) -> Option<OrderRow> {
        self.rows.pop_front()
    }

    /// All rows in hand.
    pub(crate) fn take_rows(&mut self) -> VecDeque<OrderRow> {
        std::mem::take(&mut self.rows)
    }

    /// Whether everything was read, or given up on.
    pub(crate) fn is_read(&self) -> bool {
        self.window.is_none()
    }

    /// Whether the next row is not known until more is read.
    pub(crate) fn is_empty_handed(&self) -> bool {
        self.rows.is_empty() && self.window.is_some()
    }

    /// Gives up on what was not read yet.
    pub(crate) fn abandon(&mut self) {
        self.window = None;
    }

    /// Reads on until `wanted` rows are in hand, or a piece's worth of bytes, or there are no more.
    pub(crate) async fn fill(&mut self, wanted: usize, patience: &Patience) -> Result<(), ReadError> {
        let windows = Arc::clone(&self.windows);
        // Of few among many there is seldom a page in one partition.
        let is_of_everybody = matches!(self.subject, Subject::Everybody { .. }) && self.filter.is_open();
        let mut look_near = windows.is_dense();
        while let Some(place) = self.window.filter(|_| self.rows.len() < wanted) {
            let Some(part) = windows.get(place) else { break };
            let near = is_of_everybody.then(|| windows.near(&self.last, self.span, self.direction));
            let window = near.filter(|_| std::mem::take(&mut look_near)).unwrap_or(part);
            let limit = wanted - self.rows.len();
            let statement = Statement::over(window, &self.tenant, self.read(limit), PIECE_BYTES_MAX);
            let RowsAfter { rows, target } = match self.target {
                None => self.shards.read_after(&self.shard, &statement, patience).await?,
                // What the receipt means here is known by now. Another server than the first piece's may answer; it should not
                // be behind that one.
                Some(Settled(target)) => {
                    let mut patience = patience.settled(self.stream(), target);
                    if let Some(position) = self.position {
                        patience = patience.with_floor(self.stream(), position);
                    }
                    self.shards.read_after(&self.shard, &statement, &patience).await?
                }
            };
            self.target = Some(Settled(target));
            self.note(rows.position);
            let is_window_read = rows.facts.len() < limit && !rows.is_cut;
            self.take(rows.facts)?;
            if rows.is_cut {
                break;
            }
            if let Some(near) = near {
                windows.note_density(!is_window_read && near.holds(self.last.ordered_at));
            }
            if is_window_read && window.covers(part) {
                self.window = windows.next(place, self.span, self.direction);
            }
        }
        Ok(())
    }

    fn note(&mut self, position: Option<Position>) {
        let Some(position) = position else { return };
        if self.position.is_none_or(|known| is_later(known, position)) {
            self.position = Some(position);
        }
    }

    /// Takes over rows, which the merge relies on being in order.
    fn take(&mut self, facts: Vec<OrderRow>) -> Result<(), ShardError> {
        let keys = std::iter::once(self.last.borrowed()).chain(facts.iter().map(OrderRow::key));
        if !keys.is_sorted_by(|&before, &after| self.direction.is_before(before, after)) {
            return Err(ShardError::out_of_order(self.shard.id()));
        }
        if let Some(last) = facts.last() {
            self.last = last.key().to_key();
        }
        self.rows.extend(facts);
        Ok(())
    }

    fn read(&self, limit: usize) -> Read<'_> {
        let &Self { ref subject, direction, filter, span, ref last, .. } = self;
        Read::List { subject, direction, filter, span, last: last.borrowed(), limit }
    }
}
