//! Reads of many orders at once: one statement for all that a shard may have of them.
//!
//! What is looked for comes as arrays, and each element is one look at an index. The partitions are narrowed down by literals: the
//! first and the last instant of all that is looked for. So each text is as good as new, and is not kept prepared.

use forebay_model::{Bucket, StreamKind, Tenant, Timestamp};
use sqlx::postgres::PgArguments;

use super::key::Span;
use super::parameters::{number, with};
use super::sql::{EVENTS, ORDER, position};
use crate::read::scope::Subject;
use crate::timestamptz::Timestamptz;

/// What is looked for on one shard.
#[derive(Clone, Copy, Debug)]
pub enum Batch<'a> {
    /// Orders with these ids, each within a range of time.
    Homes(&'a [(&'a str, Span)]),
    /// Index entries of these ids, which have these buckets.
    Index(&'a [(Bucket, &'a str)]),
    /// Customers' orders with these times.
    Orders(&'a [(OrderOf<'a>, Timestamp)]),
    /// Customers' orders, whenever they were: of those whose ids do not tell it.
    Searched(&'a [OrderOf<'a>]),
}

/// A customer's order.
#[derive(Clone, Copy, Debug)]
pub struct OrderOf<'a> {
    /// The customer's bucket.
    pub bucket: Bucket,
    /// Which customer.
    pub customer_id: &'a str,
    /// Which order.
    pub order_id: &'a str,
}

impl Batch<'_> {
    /// The kind of stream whose facts it reads.
    pub(super) fn stream(&self) -> StreamKind {
        match self {
            Self::Index(_) => StreamKind::Derived,
            Self::Homes(_) | Self::Orders(_) | Self::Searched(_) => StreamKind::Logged,
        }
    }

    /// Of orders of that subject. What the key of a view sees is not found so.
    pub(super) fn text(&self, subject: &Subject) -> Option<String> {
        // The customer is the parameter behind those of the batch.
        let of = match (subject, self) {
            (Subject::View { .. }, _) => return None,
            (Subject::Everybody { .. }, _) => "",
            (Subject::Customer { .. }, Self::Index(_)) => "and customer_id = $6",
            (Subject::Customer { .. }, Self::Homes(_) | Self::Searched(_)) => "and customer_id = $7",
            (Subject::Customer { .. }, Self::Orders(_)) => "and customer_id = $8",
        };
        let found = match self {
            Self::Homes(wanted) => format!(
                "unnest($4::timestamptz[], $5::timestamptz[], $6::text[]) as wanted(earliest, latest, id) \
                 cross join lateral (select {ORDER}, {EVENTS} from orders where {} and ordered_at >= wanted.earliest \
                    and ordered_at < wanted.latest and order_id = wanted.id and tenant = $2 {of} limit $3) as found",
                window(wanted.iter().map(|(_, span)| *span))
            ),
            Self::Index(_) => format!(
                "unnest($4::int2[], $5::text[]) as wanted(bucket, id) \
                 cross join lateral (select order_id, customer_id, ordered_at, null::int8, null::jsonb, null::jsonb, null::int8, \
                    null::text, null::text, null::jsonb from order_index \
                    where bucket = wanted.bucket and tenant = $2 and order_id = wanted.id {of} order by customer_id limit $3) as found"
            ),
            Self::Orders(wanted) => format!(
                "unnest($4::int2[], $5::text[], $6::text[], $7::timestamptz[]) as wanted(in_bucket, customer, id, at) \
                 cross join lateral (select {ORDER}, {EVENTS} from orders where {} and ordered_at = wanted.at and bucket = wanted.in_bucket \
                    and tenant = $2 and customer_id = wanted.customer and order_id = wanted.id {of} limit $3) as found",
                window(wanted.iter().map(|(_, at)| Span::of_instant(*at)))
            ),
            Self::Searched(_) => format!(
                "unnest($4::int2[], $5::text[], $6::text[]) as wanted(in_bucket, customer, id) \
                 cross join lateral (select t.ordered_at from order_time t where t.bucket = wanted.in_bucket and t.tenant = $2 \
                    and t.order_id = wanted.id and t.customer_id = wanted.customer) as placed(at) \
                 cross join lateral (select {ORDER}, {EVENTS} from orders where ordered_at = placed.at and bucket = wanted.in_bucket \
                    and tenant = $2 and customer_id = wanted.customer and order_id = wanted.id {of} limit $3) as found"
            ),
        };
        let position = match self.stream() {
            StreamKind::Logged => position!("'logged'" unless "$1"),
            StreamKind::Derived => position!("'derived'" unless "$1"),
        };
        Some(format!("{position} union all (select found.* from {found})"))
    }

    /// For each thing that is looked for, at most `limit` rows. `known` is the mark that is known.
    pub(super) fn arguments(&self, known: i64, tenant: &Tenant, limit: usize) -> PgArguments {
        let list = with(PgArguments::default(), known);
        let list = with(with(list, tenant.as_str()), limit as i64);
        let times = |times: &mut dyn Iterator<Item = Timestamp>| times.map(Timestamptz).collect::<Vec<_>>();
        match self {
            Self::Homes(wanted) => {
                let list = with(list, times(&mut wanted.iter().map(|(_, span)| span.from)));
                let list = with(list, times(&mut wanted.iter().map(|(_, span)| span.to)));
                with(list, wanted.iter().map(|(id, _)| *id).collect::<Vec<_>>())
            }
            Self::Index(wanted) => {
                let list = with(list, wanted.iter().map(|(bucket, _)| number(*bucket)).collect::<Vec<_>>());
                with(list, wanted.iter().map(|(_, id)| *id).collect::<Vec<_>>())
            }
            Self::Orders(wanted) => {
                let list = with_orders(list, wanted.iter().map(|(order, _)| order));
                with(list, times(&mut wanted.iter().map(|(_, at)| *at)))
            }
            Self::Searched(wanted) => with_orders(list, wanted.iter()),
        }
    }
}

fn with_orders<'a>(list: PgArguments, wanted: impl Iterator<Item = &'a OrderOf<'a>> + Clone) -> PgArguments {
    let list = with(list, wanted.clone().map(|order| number(order.bucket)).collect::<Vec<_>>());
    let list = with(list, wanted.clone().map(|order| order.customer_id).collect::<Vec<_>>());
    with(list, wanted.map(|order| order.order_id).collect::<Vec<_>>())
}

/// From the first to the last instant, as a condition in SQL. Its literals are written here.
fn window(spans: impl Iterator<Item = Span> + Clone) -> String {
    let (from, to) = (spans.clone().map(|span| span.from).min(), spans.map(|span| span.to).max());
    match (from, to) {
        (Some(from), Some(to)) => format!("ordered_at >= '{from}' and ordered_at < '{to}'"),
        _ => "false".to_owned(),
    }
}
