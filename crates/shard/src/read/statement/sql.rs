//! The SQL of the reads.
//!
//! Every statement gives the position of the lane's stream, what the shard says of units, and the rows together: one round trip, one snapshot. The first
//! row is the position (its `incarnation` is not null), the others are facts. What prunes partitions is literals: a window's ends.

use forebay_model::Lane;

use super::filter::Filter;
use crate::read::scope::Subject;

/// Settings of the sessions. Every statement is a walk along an index, whatever the planner would make of a table that it
/// has no figures of yet, and is planned once per connection: its parameters never change which plan is best.
pub const SESSION: [(&str, &str); 6] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("max_parallel_workers_per_gather", "0"),
    ("default_transaction_read_only", "on"),
    ("jit", "off"),
];

/// What a statement reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A customer's orders, newest first. Parameters: from, last time, last order id, limit, bucket, tenant,
    /// customer.
    CustomerNewest,
    /// A customer's orders, oldest first. Parameters: last time, to, last order id, limit, bucket, tenant, customer.
    CustomerOldest,
    /// Everybody's orders, newest first. Parameters: from, last time, last order id, last customer, limit, tenant, the mark that is known.
    EverybodyNewest,
    /// Everybody's orders, oldest first. Parameters: last time, to, last order id, last customer, limit, tenant, the mark that is known.
    EverybodyOldest,
    /// What one key of a view sees, newest first. Parameters: from, last time, last order id, last customer, limit,
    /// bucket, tenant, view, key.
    ViewNewest,
    /// What one key of a view sees, oldest first. Parameters: last time, to, last order id, last customer, limit, bucket, tenant,
    /// view, key.
    ViewOldest,
    /// An order of a customer within a range of time. Parameters: bucket, tenant, customer, from, to, order id.
    OfCustomer,
    /// The orders with an id within a range of time. Parameters: from, to, order id, limit, tenant, and the bucket that the id tells: rows of
    /// others come, too.
    WithId,
    /// An order of a customer, whenever it was. Parameters: bucket, tenant, customer, order id.
    Search,
    /// What a key of a view sees of the orders with an id within a range of time. Parameters: bucket, tenant, view, key, from, to, order id,
    /// limit.
    InView,
}

pub(in crate::read) const ORDER: &str =
    "order_id, customer_id, ordered_at, total, items, attributes, null::int8, currency, kind";
const VIEW: &str = "order_id, customer_id, ordered_at, subtotal, items, null::jsonb, null::int8, currency, kind";

/// What happened to an order, as [`StoredEvents`](forebay_model::StoredEvents) reads it; null where nothing did. That a shard has no events is
/// seen once for each statement. A `jsonb` has an end: of very many events, or large ones, what the order has become goes before
/// what is only to be remembered, and then the latest.
macro_rules! told {
    ($table:literal, $of:literal) => {
        concat!(
            "case when (select exists (select from ", $table, ")) then (\
                select jsonb_agg(jsonb_build_array(e.event_id, e.kind, (extract(epoch from e.happened_at) * 1000000)::int8, e.content)) \
                from (select e.*, row_number() over first as place, sum(octet_length(e.content::text)) over first as bytes \
                    from ", $table, " e where ", $of, " window first as (order by e.kind <> 'note' and e.kind not like 'x-%' desc, \
                    e.happened_at desc, e.event_id desc)) as e where e.place <= 10000 and e.bytes <= 33554432) end"
        )
    };
}

/// The same of a row of `orders`.
macro_rules! events_of_orders {
    () => {
        $crate::read::statement::sql::told!(
            "order_events",
            "e.bucket = orders.bucket and e.tenant = orders.tenant and e.order_id = orders.order_id \
                and e.customer_id in ('', orders.customer_id)"
        )
    };
}
pub(in crate::read) use {events_of_orders, told};

pub(in crate::read) const EVENTS: &str = events_of_orders!();

/// The same of a row of `order_views`, as far as the key of the view sees it.
pub(in crate::read) const VIEW_EVENTS: &str = told!(
    "view_events",
    "e.bucket = order_views.bucket and e.tenant = order_views.tenant and e.view = order_views.view and e.key = order_views.key \
        and e.ordered_at = order_views.ordered_at and e.order_id = order_views.order_id and e.customer_id = order_views.customer_id"
);

/// Where each column stands.
pub(in crate::read) mod column {
    pub(crate) const ORDER_ID: usize = 0;
    pub(crate) const CUSTOMER_ID: usize = 1;
    pub(crate) const ORDERED_AT: usize = 2;
    /// Of a fact its total or subtotal, of the position its sequence number.
    pub(crate) const NUMBER: usize = 3;
    pub(crate) const ITEMS: usize = 4;
    pub(crate) const ATTRIBUTES: usize = 5;
    /// Null in facts.
    pub(crate) const INCARNATION: usize = 6;
    /// Null in what is no order.
    pub(crate) const CURRENCY: usize = 7;
    /// Null in what is no order.
    pub(crate) const KIND: usize = 8;
    /// Null where nothing happened to the order.
    pub(crate) const EVENTS: usize = 9;
}

/// The position of a kind of stream, and in the place of items what the shard [says](super::said::RowsOwnership) of units: nothing where every row was decided here;
/// else its mark, and of the bucket that is read what was said of it and which of its rows is the first that is parked; or where all are read, what was said of
/// each, unless the mark is the one that is known.
macro_rules! position {
    ($stream:literal) => {
        concat!($crate::read::statement::sql::position!(), "null, null, null) end", $crate::read::statement::sql::position!(from), $stream)
    };
    ($stream:literal unless $known:literal) => {
        concat!(
            $crate::read::statement::sql::position!(),
            "null, null, case when units <> ",
            $known,
            " then (select jsonb_agg(jsonb_build_array(u.bucket, u.version, u.said)) from unit_owner u where u.stream = p.stream) end) end",
            $crate::read::statement::sql::position!(from),
            $stream
        )
    };
    ($stream:literal of $bucket:literal) => {
        concat!(
            $crate::read::statement::sql::position!(),
            "(select jsonb_build_array(u.version, u.said) from unit_owner u where u.stream = p.stream and u.bucket = ",
            $bucket,
            "), (select min(w.stream_seq) from parked w where w.stream = p.stream and w.bucket = ",
            $bucket,
            "), null) end",
            $crate::read::statement::sql::position!(from),
            $stream
        )
    };
    () => {
        "select null::text, null::text, null::timestamptz, stream_seq, case when units <> 0 then jsonb_build_array(units, "
    };
    (from) => {
        ", null::jsonb, incarnation, null::text, null::text, null::jsonb from stream_position p where stream = "
    };
}
pub(super) use position;

/// The position of a kind of stream, before facts that have no more than an order's id, customer and time.
macro_rules! after_position {
    ($stream:literal $which:ident $by:literal, $of:literal) => {
        concat!(
            $crate::read::statement::sql::position!($stream $which $by),
            " union all \
            (select order_id, customer_id, ordered_at, null::int8, null::jsonb, null::jsonb, null::int8, null::text, null::text, null::jsonb from ",
            $of, ")"
        )
    };
}

/// Index entries of an order id. Parameters: bucket, tenant, order id, limit; of a customer alone, the customer.
pub const INDEX: [&str; 2] = [
    after_position!(
        "'derived'" of "$1",
        "order_index where bucket = $1 and tenant = $2 and order_id = $3 order by customer_id limit $4"
    ),
    after_position!(
        "'derived'" of "$1",
        "order_index where bucket = $1 and tenant = $2 and order_id = $3 and customer_id = $5 limit $4"
    ),
];

/// Where the orders with an id are that does not tell it, on this shard: customers and times. The customers'
/// buckets are not known, so the key is looked at once for each bucket that there is. Parameters: tenant, order id, limit, the mark that is known; of a
/// customer alone, the customer.
pub const TIMES: [&str; 2] = [
    after_position!(
        "'logged'" unless "$4",
        "order_time where bucket = any (array(select generate_series(0, 4095)::int2)) and tenant = $1 and order_id = $2 \
            order by customer_id limit $3"
    ),
    after_position!(
        "'logged'" unless "$4",
        "order_time where bucket = any (array(select generate_series(0, 4095)::int2)) and tenant = $1 and order_id = $2 \
            and customer_id = $5 limit $3"
    ),
];

/// [`INDEX`] of a subject. What the key of a view sees is not found by an index.
pub(super) fn index(subject: &Subject) -> Option<&'static str> {
    of_orders(subject, INDEX)
}

/// [`TIMES`] of a subject, likewise.
pub(super) fn times(subject: &Subject) -> Option<&'static str> {
    of_orders(subject, TIMES)
}

fn of_orders(subject: &Subject, [of_everybody, of_customer]: [&'static str; 2]) -> Option<&'static str> {
    match subject {
        Subject::Everybody { .. } => Some(of_everybody),
        Subject::Customer { .. } => Some(of_customer),
        Subject::View { .. } => None,
    }
}

/// A stream's position alone. Parameter: the kind of stream.
pub const POSITION: &str = position!("$1");

impl Kind {
    /// The lane whose facts it reads.
    pub const fn lane(self) -> Lane {
        match self {
            Self::ViewNewest | Self::ViewOldest | Self::InView => Lane::Views,
            Self::CustomerNewest
            | Self::CustomerOldest
            | Self::EverybodyNewest
            | Self::EverybodyOldest
            | Self::OfCustomer
            | Self::WithId
            | Self::Search => Lane::Orders,
        }
    }

    /// Whether it is a list of everybody's orders.
    pub(super) const fn is_of_everybody(self) -> bool {
        matches!(self, Self::EverybodyNewest | Self::EverybodyOldest)
    }

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CustomerNewest | Self::CustomerOldest => "customer",
            Self::EverybodyNewest | Self::EverybodyOldest => "range",
            Self::ViewNewest | Self::ViewOldest => "view",
            Self::OfCustomer | Self::WithId | Self::InView => "order",
            Self::Search => "search",
        }
    }
}

/// What the rows of a list are compared with, besides the window's ends. Each comparison with a parameter costs time for
/// every partition of the window, so a statement has only those that leave something out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// With the row that the list comes from.
    pub last: bool,
    /// With the far end of the range.
    pub end: bool,
}

/// The text of a statement over a window, which is a condition in SQL. Bounds and filter are for lists.
pub fn text(kind: Kind, window: &str, bounds: Bounds, filter: Filter) -> String {
    let table = kind.lane().table();
    let (columns, events) = if kind.lane() == Lane::Views { (VIEW, VIEW_EVENTS) } else { (ORDER, EVENTS) };
    let (last, end, condition) = conditions(kind);
    let last = if bounds.last { last } else { "" };
    let end = if bounds.end { end } else { "" };
    let filter = filter.condition(kind.lane(), kind.is_of_everybody());
    let position = position_of(kind);
    format!(
        "{position} union all (select {columns}, {events} from {table} where {window} {last} {end} {filter} {condition})"
    )
}

/// The position before the facts of a kind, with what is said of the unit that it is about.
const fn position_of(kind: Kind) -> &'static str {
    match kind {
        Kind::CustomerNewest | Kind::CustomerOldest => position!("'logged'" of "$5"),
        Kind::EverybodyNewest | Kind::EverybodyOldest => position!("'logged'" unless "$7"),
        Kind::ViewNewest | Kind::ViewOldest => position!("'derived'" of "$6"),
        Kind::OfCustomer | Kind::Search => position!("'logged'" of "$1"),
        Kind::WithId => position!("'logged'" of "$6"),
        Kind::InView => position!("'derived'" of "$1"),
    }
}

/// The comparison with the last row, the one with the end of the range, and the rest.
const fn conditions(kind: Kind) -> (&'static str, &'static str, &'static str) {
    match kind {
        Kind::CustomerNewest => (
            "and (ordered_at, order_id) < ($2, $3)",
            "and ordered_at >= $1",
            "and bucket = $5 and tenant = $6 and customer_id = $7 order by ordered_at desc, order_id desc limit $4",
        ),
        Kind::CustomerOldest => (
            "and (ordered_at, order_id) > ($1, $3)",
            "and ordered_at < $2",
            "and bucket = $5 and tenant = $6 and customer_id = $7 order by ordered_at, order_id limit $4",
        ),
        Kind::EverybodyNewest => (
            "and (ordered_at, order_id, customer_id) < ($2, $3, $4)",
            "and ordered_at >= $1",
            "and tenant = $6 order by ordered_at desc, order_id desc, customer_id desc limit $5",
        ),
        Kind::EverybodyOldest => (
            "and (ordered_at, order_id, customer_id) > ($1, $3, $4)",
            "and ordered_at < $2",
            "and tenant = $6 order by ordered_at, order_id, customer_id limit $5",
        ),
        Kind::ViewNewest => (
            "and (ordered_at, order_id, customer_id) < ($2, $3, $4)",
            "and ordered_at >= $1",
            "and bucket = $6 and tenant = $7 and view = $8 and key = $9 \
             order by ordered_at desc, order_id desc, customer_id desc limit $5",
        ),
        Kind::ViewOldest => (
            "and (ordered_at, order_id, customer_id) > ($1, $3, $4)",
            "and ordered_at < $2",
            "and bucket = $6 and tenant = $7 and view = $8 and key = $9 order by ordered_at, order_id, customer_id limit $5",
        ),
        Kind::OfCustomer => (
            "",
            "",
            "and bucket = $1 and tenant = $2 and customer_id = $3 and ordered_at >= $4 and ordered_at < $5 \
             and order_id = $6 limit 1",
        ),
        Kind::WithId => ("", "", "and ordered_at >= $1 and ordered_at < $2 and order_id = $3 and tenant = $5 limit $4"),
        Kind::InView => (
            "",
            "",
            "and bucket = $1 and tenant = $2 and view = $3 and key = $4 and ordered_at >= $5 and ordered_at < $6 \
             and order_id = $7 limit $8",
        ),
        Kind::Search => (
            "",
            "",
            "and bucket = $1 and tenant = $2 and customer_id = $3 and order_id = $4 order by ordered_at desc limit 1",
        ),
    }
}
