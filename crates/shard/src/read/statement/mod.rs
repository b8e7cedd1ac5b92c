//! A statement over lists, single orders, many at once or totals, with its parameters, and running it on a server.
//!
//! | module | concept |
//! |---|---|
//! | [`sql`] | its text |
//! | `parameters` | values beside it |
//! | `batch` | many orders at once |
//! | `windows`, `window` | the parts of time that statements are over |
//! | `key` | the total order of lists |
//! | `filter` | which orders of a list are wanted |
//! | `row` | rows as they come |
//! | `sums` | totals |

mod batch;
mod filter;
mod key;
mod parameters;
mod row;
pub mod sql;
mod sums;
mod window;
mod windows;

use std::sync::Arc;
use std::time::Duration;

use forebay_model::{Bucket, Incarnation, Position, StreamKind};
use futures::TryStreamExt;
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgArguments, PgRow};
use tokio::time::Instant;

pub use self::batch::{Batch, OrderOf};
pub use self::filter::Filter;
pub use self::key::{Direction, Key, KeyRef, Span};
pub use self::row::OrderRow;
pub use self::sums::{Period, SumRow, Summing};
pub use self::window::Window;
pub use self::windows::Windows;

use self::parameters::{number, with};
use self::sql::{Bounds, Kind, POSITION, column, index, times};
use super::said::{RowsOwnership, ShardOwnership};
use super::scope::Subject;
use crate::pool::{ShardError, ShardServer};
use crate::timestamptz::Timestamptz;

/// What is read over a window.
#[derive(Clone, Copy, Debug)]
pub enum Read<'a> {
    /// The next rows of a list.
    List {
        /// Whose orders.
        subject: &'a Subject,
        /// Which end comes first.
        direction: Direction,
        /// Which of them.
        filter: Filter,
        /// The range of the list.
        span: Span,
        /// The row that the list comes from.
        last: KeyRef<'a>,
        /// The most rows.
        limit: usize,
    },
    /// The orders of a subject with an id: of a customer one at most.
    WithId {
        /// Whose orders.
        subject: &'a Subject,
        /// The bucket that is read: the subject's own, and of everybody's orders the one that the id tells.
        bucket: Bucket,
        /// When they were, where that is known. Everybody's are not looked for without: no index is by the id alone.
        span: Option<Span>,
        /// The id.
        order_id: &'a str,
        /// The most rows.
        limit: usize,
    },
}

/// A statement and its parameters.
#[derive(Clone, Debug)]
pub struct Statement<'a> {
    name: &'static str,
    stream: StreamKind,
    text: Arc<str>,
    /// Whether the text will come again, and is kept prepared.
    is_kept: bool,
    parameters: Parameters<'a>,
    bytes_max: usize,
    /// What is known of that which the shard says of all units.
    known: Option<Arc<ShardOwnership>>,
}

#[derive(Clone, Copy, Debug)]
enum Parameters<'a> {
    Read(Read<'a>),
    Batch { subject: &'a Subject, batch: Batch<'a>, limit: usize },
    Sums(Summing<'a>),
    Index { subject: &'a Subject, bucket: Bucket, order_id: &'a str, limit: usize },
    Times { subject: &'a Subject, order_id: &'a str, limit: usize },
    Position,
}

/// What a statement gave.
#[derive(Debug, Default)]
pub struct Rows {
    /// The position of the lane's stream in the snapshot of the rows; `None` before the first commit.
    pub position: Option<Position>,
    /// What the shard says of units, in that snapshot.
    pub said: RowsOwnership,
    /// What it says of all of them there, where the statement is over all.
    pub units: Arc<ShardOwnership>,
    /// The rows.
    pub facts: Vec<OrderRow>,
    /// The totals, of a statement that reads those.
    pub sums: Vec<SumRow>,
    /// Whether there are more rows, which were not read because of their bytes.
    pub is_cut: bool,
}

/// A row that a statement gives.
#[derive(Debug)]
enum Row {
    /// The position of the lane's stream in the snapshot, and what is said of units.
    Position(Position, RowsOwnership),
    /// A fact.
    Fact(OrderRow),
    /// What a period comes to.
    Sum(SumRow),
}

impl Row {
    /// Reads a row of facts, or one of sums.
    fn of(row: &PgRow, has_sums: bool) -> Result<Self, sqlx::Error> {
        match row::number(row, column::INCARNATION)? {
            Some(incarnation) => {
                let seq = row::number(row, column::NUMBER)?
                    .ok_or_else(|| row::decode("a position without a sequence number"))?;
                let incarnation = Incarnation::new(incarnation.cast_unsigned());
                let said = row::jsonb(row, column::ITEMS)?.map(RowsOwnership::parse).transpose()?.unwrap_or_default();
                Ok(Self::Position(Position { incarnation, seq: seq.cast_unsigned() }, said))
            }
            None if has_sums => SumRow::of(row).map(Self::Sum),
            None => OrderRow::of(row).map(Self::Fact),
        }
    }
}

impl Subject {
    /// The statement that reads a piece of the list.
    fn kind(&self, direction: Direction) -> Kind {
        match (self, direction) {
            (Self::Everybody { .. }, Direction::NewestFirst) => Kind::EverybodyNewest,
            (Self::Everybody { .. }, Direction::OldestFirst) => Kind::EverybodyOldest,
            (Self::Customer { .. }, Direction::NewestFirst) => Kind::CustomerNewest,
            (Self::Customer { .. }, Direction::OldestFirst) => Kind::CustomerOldest,
            (Self::View { .. }, Direction::NewestFirst) => Kind::ViewNewest,
            (Self::View { .. }, Direction::OldestFirst) => Kind::ViewOldest,
        }
    }
}

impl Read<'_> {
    fn kind(&self) -> Kind {
        match self {
            Self::List { subject, direction, .. } => subject.kind(*direction),
            Self::WithId { subject, span, .. } => match (subject, span) {
                (Subject::Everybody { .. }, _) => Kind::WithId,
                (Subject::Customer { .. }, Some(_)) => Kind::OfCustomer,
                (Subject::Customer { .. }, None) => Kind::Search,
                (Subject::View { .. }, _) => Kind::InView,
            },
        }
    }

    fn bounds(&self, window: &Window) -> Bounds {
        match self {
            Self::List { direction, span, last, .. } => window.bounds(*last, *span, *direction),
            Self::WithId { .. } => Bounds::default(),
        }
    }

    fn filter(&self) -> Filter {
        match self {
            Self::List { filter, .. } => *filter,
            Self::WithId { .. } => Filter::default(),
        }
    }

    /// The parameters, in the order that the [`Kind`] says. `known` is the mark that is known.
    fn arguments(&self, known: i64) -> PgArguments {
        let list = PgArguments::default();
        let (Self::List { subject, .. } | Self::WithId { subject, .. }) = *self;
        let of_tenant = |arguments| with(arguments, subject.tenant().as_str());
        match *self {
            Self::List { subject, direction, span, last, limit, .. } => {
                let (lower, upper) = match direction {
                    Direction::NewestFirst => (span.from, last.ordered_at),
                    Direction::OldestFirst => (last.ordered_at, span.to),
                };
                let range = with(with(with(list, Timestamptz(lower)), Timestamptz(upper)), last.order_id);
                let limit = limit as i64;
                match subject {
                    Subject::Everybody { .. } => with(of_tenant(with(with(range, last.customer_id), limit)), known),
                    Subject::Customer { bucket, customer_id, .. } => {
                        with(of_tenant(with(with(range, limit), number(*bucket))), customer_id.as_ref())
                    }
                    Subject::View { bucket, view, key, .. } => {
                        let range = with(with(with(range, last.customer_id), limit), number(*bucket));
                        with(with(of_tenant(range), view.number().cast_signed()), key.as_ref())
                    }
                }
            }
            Self::WithId { subject, bucket, span, order_id, limit } => {
                let within = |list| {
                    let Span { from, to } = span.unwrap_or(Span::ALL);
                    with(with(with(list, Timestamptz(from)), Timestamptz(to)), order_id)
                };
                let limit = limit as i64;
                match subject {
                    Subject::Everybody { .. } => with(of_tenant(with(within(list), limit)), number(bucket)),
                    Subject::Customer { bucket, customer_id, .. } => {
                        let of = with(of_tenant(with(list, number(*bucket))), customer_id.as_ref());
                        if span.is_some() { within(of) } else { with(of, order_id) }
                    }
                    Subject::View { bucket, view, key, .. } => {
                        let of = with(of_tenant(with(list, number(*bucket))), view.number().cast_signed());
                        with(within(with(of, key.as_ref())), limit)
                    }
                }
            }
        }
    }
}

impl<'a> Statement<'a> {
    /// Reads orders over a window. Reading stops behind the row that exceeds `bytes_max`.
    pub fn over(window: &Window, read: Read<'a>, bytes_max: usize) -> Self {
        let kind = read.kind();
        let text = window.text(kind, read.bounds(window), read.filter());
        let parameters = Parameters::Read(read);
        Self { name: kind.name(), stream: kind.lane().kind(), text, is_kept: true, parameters, bytes_max, known: None }
    }

    /// Looks for many orders at once; for each that is looked for it gives at most `limit` rows. Reading stops behind the
    /// row that exceeds `bytes_max`. What the key of a view sees is not looked for so: of that it gives nothing.
    pub fn batch(subject: &'a Subject, batch: Batch<'a>, limit: usize, bytes_max: usize) -> Self {
        let stream = batch.stream();
        let Some(text) = batch.text(subject) else { return Self::position(stream) };
        let parameters = Parameters::Batch { subject, batch, limit };
        Self { name: "lookup", stream, text: text.into(), is_kept: false, parameters, bytes_max, known: None }
    }

    /// Reads totals.
    pub fn sums(summing: Summing<'a>) -> Self {
        let (stream, text, parameters) = (summing.stream(), summing.text().into(), Parameters::Sums(summing));
        let is_kept = summing.is_kept();
        Self { name: "totals", stream, text, is_kept, parameters, bytes_max: 0, known: None }
    }

    /// The index entries of an order id, which has that bucket. What the key of a view sees has none.
    pub fn index(subject: &'a Subject, bucket: Bucket, order_id: &'a str, limit: usize, bytes_max: usize) -> Self {
        let Some(text) = index(subject) else { return Self::position(StreamKind::Derived) };
        let parameters = Parameters::Index { subject, bucket, order_id, limit };
        let (stream, text) = (StreamKind::Derived, text.into());
        Self { name: "index", stream, text, is_kept: true, parameters, bytes_max, known: None }
    }

    /// The customers and times of orders with an id that are stored on this very shard, where the id does not tell: what the
    /// index will have of them.
    pub fn times(subject: &'a Subject, order_id: &'a str, limit: usize, bytes_max: usize) -> Self {
        let Some(text) = times(subject) else { return Self::position(StreamKind::Logged) };
        let parameters = Parameters::Times { subject, order_id, limit };
        let (stream, text) = (StreamKind::Logged, text.into());
        Self { name: "times", stream, text, is_kept: true, parameters, bytes_max, known: None }
    }

    /// The position of a stream alone.
    pub fn position(stream: StreamKind) -> Self {
        let (text, parameters) = (POSITION.into(), Parameters::Position);
        Self { name: "position", stream, text, is_kept: true, parameters, bytes_max: 0, known: None }
    }

    /// The same, to a shard of which that is known: what it says of all units is only given where it says something else.
    #[must_use]
    pub fn knowing(&self, known: Option<Arc<ShardOwnership>>) -> Self {
        Self { known, ..self.clone() }
    }

    /// Its kind in metrics.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The kind of stream whose facts it reads.
    pub fn stream(&self) -> StreamKind {
        self.stream
    }

    /// Runs the statement on a server.
    ///
    /// # Errors
    /// [`ShardError`].
    pub async fn run(&self, server: &ShardServer, within: Duration) -> Result<Rows, ShardError> {
        server.attempt(within, |until| self.run_once(server, until)).await
    }

    async fn run_once(&self, server: &ShardServer, until: Instant) -> Result<Rows, ShardError> {
        let mut lease = server.lease(until).await?;
        let failed = |error| server.failed(error);
        let mut rows = Rows::default();
        let mut bytes = 0;
        let query = sqlx::query_with(AssertSqlSafe(Arc::clone(&self.text)), self.arguments());
        let mut stream = query.persistent(self.is_kept).fetch(&mut *lease);
        while let Some(row) = stream.try_next().await.map_err(failed)? {
            match Row::of(&row, matches!(self.parameters, Parameters::Sums(..))).map_err(failed)? {
                Row::Position(position, said) => {
                    rows.units = said.all_units(position, self.known.as_ref());
                    (rows.position, rows.said) = (Some(position), said);
                }
                Row::Sum(sum) => rows.sums.push(sum),
                Row::Fact(fact) => {
                    bytes += fact.bytes();
                    rows.facts.push(fact);
                }
            }
            if bytes > self.bytes_max {
                rows.is_cut = true;
                return Ok(rows);
            }
        }
        drop(stream);
        lease.done();
        Ok(rows)
    }

    fn arguments(&self) -> PgArguments {
        let list = PgArguments::default();
        let known = self.known.as_ref().map_or(0, |known| known.mark);
        match self.parameters {
            Parameters::Read(read) => read.arguments(known),
            Parameters::Sums(summing) => summing.arguments(known),
            Parameters::Batch { subject, batch, limit } => {
                with_customer(batch.arguments(known, subject.tenant(), limit), subject)
            }
            Parameters::Index { subject, bucket, order_id, limit } => {
                let list = with(with(with(list, number(bucket)), subject.tenant().as_str()), order_id);
                with_customer(with(list, limit as i64), subject)
            }
            Parameters::Times { subject, order_id, limit } => {
                let list = with(with(with(list, subject.tenant().as_str()), order_id), limit as i64);
                with_customer(with(list, known), subject)
            }
            Parameters::Position => with(list, self.stream.as_str()),
        }
    }
}

/// The customer that a statement is about as its last parameter, where it is about one.
fn with_customer(list: PgArguments, subject: &Subject) -> PgArguments {
    match subject.only_customer() {
        Some(customer_id) => with(list, customer_id),
        None => list,
    }
}
