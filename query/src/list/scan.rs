//! What a list is of: whose orders, over which range, from which row on.

use std::sync::Arc;

use forebay_model::touched::{customer_key, hour_of, view_key};
use forebay_model::{Bucket, Timestamp};
use forebay_shard::Timestamptz;
use sqlx::postgres::PgArguments;

use crate::cache::Watch;
use crate::sql::key::{Direction, Key, KeyRef, Span};
use crate::sql::parameters::Parameters;
use crate::sql::statement::Kind;

/// Whose orders are read.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    Everybody,
    Customer { bucket: Bucket, customer_id: Arc<str> },
    View { view: Arc<str>, key: Arc<str> },
}

/// A walk through a list.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    pub(crate) direction: Direction,
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

impl Subject {
    /// What would change a page.
    pub(crate) fn watch(&self, scan: &Scan, page: Page) -> Watch {
        match self {
            Self::Customer { customer_id, .. } => Watch::Key(customer_key(customer_id)),
            Self::View { view, key } => Watch::Key(view_key(view, key)),
            Self::Everybody => scan.hours(page),
        }
    }

    /// The statement that reads a piece of the list.
    pub(crate) fn kind(&self, direction: Direction) -> Kind {
        match (self, direction) {
            (Self::Everybody, Direction::NewestFirst) => Kind::EverybodyNewest,
            (Self::Everybody, Direction::OldestFirst) => Kind::EverybodyOldest,
            (Self::Customer { .. }, _) => Kind::CustomerNewest,
            (Self::View { .. }, _) => Kind::ViewNewest,
        }
    }

    /// The parameters of that statement.
    pub(crate) fn arguments(&self, direction: Direction, span: Span, last: KeyRef<'_>, limit: usize) -> PgArguments {
        let (lower, upper) = match direction {
            Direction::NewestFirst => (span.from, last.ordered_at),
            Direction::OldestFirst => (last.ordered_at, span.to),
        };
        let (lower, upper, limit) = (Timestamptz(lower), Timestamptz(upper), limit as i64);
        let range = Parameters::default().with(lower).with(upper).with(last.order_id);
        match self {
            Self::Everybody => range.with(last.customer_id).with(limit),
            Self::Customer { bucket, customer_id } => {
                range.with(limit).with(bucket.number().cast_signed()).with(customer_id.as_ref())
            }
            Self::View { view, key } => range.with(last.customer_id).with(limit).with(view.as_ref()).with(key.as_ref()),
        }
        .into_arguments()
    }
}

impl Scan {
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
