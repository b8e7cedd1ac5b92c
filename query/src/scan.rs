//! What a list is of: whose orders, over which range, from which row on.

use std::sync::Arc;

use forebay_model::Bucket;
use forebay_shard::Timestamptz;
use sqlx::postgres::PgArguments;

use crate::key::{Direction, Key, KeyRef, Span};
use crate::parameters::Parameters;
use crate::statement::Kind;

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

impl Subject {
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
