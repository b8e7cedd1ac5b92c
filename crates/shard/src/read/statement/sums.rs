//! Totals: what orders come to, period by period.
//!
//! Everybody's are read from the sums that are kept by the hour, those of a view's key from those that are kept by the day, and both from the
//! orders of what the range cuts of these. Customers', and those of a view's key by the hour, are read from their orders, as those of single buckets are.

use std::fmt;

use forebay_model::touched::HOUR_US;
use forebay_model::{Bucket, Lane, OrderKind, StreamKind, Timestamp};
use sqlx::postgres::{PgArguments, PgConnection, PgRow};

use super::key::Span;
use super::parameters::{self, with};
use super::row::{bytes, decode, number};
use super::sql::{column, position};
use crate::partition::LATEST;
use crate::read::scope::Subject;
use crate::sum_table::SumTable;
use crate::timestamptz::Timestamptz;

/// By what orders are summed; hours, days and months are those of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// By the hour.
    Hour,
    /// By the day.
    Day,
    /// By the month.
    Month,
}

/// Which totals are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Summing<'a> {
    /// Whose orders.
    pub subject: &'a Subject,
    /// Of which time.
    pub span: Span,
    /// By what; as a whole where nothing is said.
    pub by: Option<Period>,
    /// Of everybody's those of these buckets alone, whether the shard owns them or not; without, of those that it owns.
    pub buckets: Option<&'a [Bucket]>,
}

/// What the orders of one kind and currency come to in a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumRow {
    /// When the period begins; nothing where there are none.
    pub period: Option<Timestamp>,
    /// Sales, or returns.
    pub kind: OrderKind,
    /// What the sum is in: three letters.
    pub currency: String,
    /// How many orders.
    pub orders: u64,
    /// Sum of their totals as they are now, or in a view of their subtotals, in minor units.
    pub total: i128,
}

impl Period {
    /// Every period.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Month];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Summing<'_> {
    pub(super) fn stream(&self) -> StreamKind {
        self.subject.lane().kind()
    }

    /// Whether the text is the same for every range and key: then its plan, of all partitions, is made once per connection, and the range
    /// prunes what is executed. Those of what is kept have their range in it: most look into two partitions at most.
    pub(super) fn is_kept(&self) -> bool {
        matches!(self.subject, Subject::Customer { .. })
    }

    pub(super) fn text(&self) -> String {
        let parts = match self.subject {
            Subject::Everybody { .. } if self.buckets.is_some() => {
                vec![self.rows("bucket = any($3)", self.span.from.min(LATEST), self.span.to.min(LATEST))]
            }
            Subject::Everybody { .. } => self.of_kept(SumTable::ORDERS, "true"),
            Subject::View { .. } => self.of_kept(SumTable::VIEWS, "bucket = $3 and view = $4 and key = $5"),
            Subject::Customer { .. } => vec![self.of_customer()],
        };
        let position = match self.subject {
            Subject::Everybody { .. } => position!("'logged'" unless "$1"),
            Subject::View { .. } => position!("$1" of "$3"),
            Subject::Customer { .. } => position!("$1" of "$5"),
        };
        format!(
            "{position} union all (select sum(total)::text, null::text, period, sum(orders)::int8, null::jsonb, null::jsonb, null::int8, \
                currency, kind, null::jsonb from ({}) as part group by period, kind, currency having sum(orders) > 0)",
            parts.join(" union all ")
        )
    }

    /// The orders of a customer, within a range of time that is a parameter, as the period is.
    fn of_customer(&self) -> String {
        let period = match self.by {
            Some(_) => "date_trunc($7::text, ordered_at, 'UTC')",
            None => "null::timestamptz",
        };
        format!(
            "select {period} as period, kind, currency, {} from orders \
             where tenant = $2 and ordered_at >= $3 and ordered_at < $4 and bucket = $5 and customer_id = $6",
            counted(Lane::Orders)
        )
    }

    /// What is kept of the range, and what that leaves of it at its ends.
    fn of_kept(&self, kept: SumTable, key: &str) -> Vec<String> {
        // No order is later, and no later time is a literal.
        let (from, to) = (self.span.from.min(LATEST), self.span.to.min(LATEST));
        let kept_us = i64::from(kept.hours) * HOUR_US;
        let whole = |number: i64| Timestamp::from_unix_us(number * kept_us);
        let first = whole(from.unix_us().div_euclid(kept_us) + i64::from(from.unix_us().rem_euclid(kept_us) > 0));
        let end = whole(to.unix_us().div_euclid(kept_us));
        let cut = |from, to| self.rows(key, from, to);
        let is_finer = self.by == Some(Period::Hour) && kept.hours > 1;
        if first >= end || is_finer {
            return vec![cut(from, to)];
        }
        let mut parts = vec![format!(
            "select {} as period, kind, currency, orders, total from {} where tenant = $2 and {key} and {}",
            self.period(kept.since),
            kept.name,
            within(kept.since, first, end)
        )];
        parts.extend((from < first).then(|| cut(from, first)));
        parts.extend((end < to).then(|| cut(end, to)));
        parts
    }

    /// The orders within a range of time, whose ends stand there as literals, so that they prune partitions.
    fn rows(&self, key: &str, from: Timestamp, to: Timestamp) -> String {
        let lane = self.subject.lane();
        format!(
            "select {} as period, kind, currency, {} from {} where tenant = $2 and {key} and {}",
            self.period("ordered_at"),
            counted(lane),
            lane.table(),
            within("ordered_at", from, to)
        )
    }

    /// When the period of an instant begins, as an expression in SQL.
    fn period(&self, at: &str) -> String {
        self.by.map_or("null::timestamptz".to_owned(), |by| format!("date_trunc('{by}', {at}, 'UTC')"))
    }

    /// Everybody's begin with the mark that is known, others with the kind of stream.
    pub(super) fn arguments(&self, known: i64) -> PgArguments {
        let list = match self.subject {
            Subject::Everybody { .. } => with(PgArguments::default(), known),
            Subject::View { .. } | Subject::Customer { .. } => with(PgArguments::default(), self.stream().as_str()),
        };
        let list = with(list, self.subject.tenant().as_str());
        match self.subject {
            Subject::Everybody { .. } => match self.buckets {
                Some(buckets) => with(list, buckets.iter().copied().map(parameters::number).collect::<Vec<_>>()),
                None => list,
            },
            Subject::View { bucket, view, key, .. } => {
                with(with(with(list, parameters::number(*bucket)), view.number().cast_signed()), key.as_ref())
            }
            Subject::Customer { bucket, customer_id, .. } => {
                let list = with(with(list, Timestamptz(self.span.from)), Timestamptz(self.span.to));
                let list = with(with(list, parameters::number(*bucket)), customer_id.as_ref());
                match self.by {
                    Some(by) => with(list, by.as_str()),
                    None => list,
                }
            }
        }
    }
}

/// What a row counts for, as it is now: how many orders, and what they come to.
const fn counted(lane: Lane) -> &'static str {
    match lane {
        Lane::Views | Lane::ViewEvents => {
            "case when coalesce(has_items, items <> '[]'::jsonb) then 1 else 0 end::int8 as orders, coalesce(amended, subtotal) as total"
        }
        Lane::Orders | Lane::Events | Lane::Index => "1::int8 as orders, coalesce(amended, total) as total",
    }
}

/// A range of time as a condition in SQL, with its ends as literals. The ends of all time are left out: Postgres cannot read the last.
fn within(column: &str, from: Timestamp, to: Timestamp) -> String {
    let from = (from > Span::ALL.from).then(|| format!("{column} >= '{from}'"));
    let to = (to < Span::ALL.to).then(|| format!("{column} < '{to}'"));
    let ends: Vec<String> = from.into_iter().chain(to).collect();
    if ends.is_empty() { "true".to_owned() } else { ends.join(" and ") }
}

impl SumRow {
    /// What all orders of a shard come to, of every tenant.
    pub(in crate::read) async fn all(connection: &mut PgConnection) -> Result<Vec<Self>, sqlx::Error> {
        const SQL: &str = "select sum(total)::text, null, null::timestamptz, sum(orders)::int8, null, null, null, currency, kind \
            from order_sums group by currency, kind";
        sqlx::query(SQL).fetch_all(connection).await?.iter().map(Self::of).collect()
    }

    pub(super) fn of(row: &PgRow) -> Result<Self, sqlx::Error> {
        let text = |column| {
            let bytes = bytes(row, column)?.ok_or_else(|| decode("a sum without what it is of"))?;
            std::str::from_utf8(bytes).map_err(|error| sqlx::Error::Decode(error.into()))
        };
        let period = number(row, column::ORDERED_AT)?.and_then(Timestamp::from_postgres_us);
        let orders = number(row, column::NUMBER)?.ok_or_else(|| decode("a sum of no number of orders"))?;
        let orders = u64::try_from(orders).map_err(|_| decode("a sum of fewer orders than none"))?;
        let kind = text(column::KIND)?.parse().map_err(|_| decode("a sum of another kind of orders"))?;
        let total = text(column::ORDER_ID)?.parse().map_err(|_| decode("a sum that is no integer of 128 bits"))?;
        Ok(Self { period, kind, currency: text(column::CURRENCY)?.to_owned(), orders, total })
    }
}
