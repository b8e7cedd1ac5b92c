//! A walk through a list: over which range, from which row on.

use forebay_model::Timestamp;
use forebay_model::touched::{hour_of, id_key, view_key};
use forebay_shard::read::{Direction, Filter, Key, Span, Subject};

use crate::cache::Watch;

/// A walk through a list.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    pub(crate) direction: Direction,
    pub(crate) filter: Filter,
    pub(crate) span: Span,
    /// The row that the walk comes from.
    pub(crate) last: Key,
    /// Whether to go on without shards that are down.
    pub(crate) partial: bool,
}

/// A page that was read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Page {
    /// The time of its last row, where the list goes on behind it.
    pub(crate) end: Option<Timestamp>,
}

impl Scan {
    /// What would change a page.
    pub(crate) fn watch(&self, subject: &Subject, page: Page) -> Watch {
        match subject {
            Subject::Customer { tenant, customer_id, .. } => Watch::Key(id_key(tenant, customer_id)),
            Subject::View { tenant, view, key, .. } => Watch::Key(view_key(tenant, *view, key)),
            Subject::Everybody { .. } => self.hours(page),
        }
    }

    /// The hours that a page lies in: from the row it comes from to its last one, or to the end of the range.
    fn hours(&self, page: Page) -> Watch {
        // The range's end is exclusive.
        let end = self.span.to.plus_us(-1);
        let (first, last) = match self.direction {
            Direction::NewestFirst => (page.end.unwrap_or(self.span.from), self.last.ordered_at.min(end)),
            Direction::OldestFirst => (self.last.ordered_at, page.end.unwrap_or(end)),
        };
        Watch::Hours { first: hour_of(first), last: hour_of(last) }
    }
}
