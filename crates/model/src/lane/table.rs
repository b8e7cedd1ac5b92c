//! The table of lanes. A new lane is a new row here; what the assertions below demand, the compiler says.

use super::Lane;
use ColumnType::{Int2, Int8, Jsonb, Text, Timestamptz};

/// What a lane is.
#[derive(Clone, Copy, Debug)]
pub struct LaneSpec {
    /// Which lane.
    pub lane: Lane,
    /// Its name in streams, settings and metrics.
    pub name: &'static str,
    /// The table that holds its facts.
    pub table: &'static str,
    /// Lane and version of the column list: what a frame declares its tuples to be.
    pub format: &'static str,
    /// The columns of its tuples, in COPY order.
    pub columns: &'static [Column],
    /// The columns that make a fact's identity. The first is the bucket of what it is routed by, the second the tenant.
    pub identity: &'static [&'static str],
    /// Where the column with the fact's time stands.
    pub time: usize,
    /// Where the columns stand by which its facts are looked up, and what was touched is told: tenant, and what follows.
    pub key: &'static [usize],
    /// The column by which the table is range-partitioned, where it is.
    pub partitioned_by: Option<&'static str>,
    /// The lane of the stored facts that its facts follow from, where they do.
    pub derived_from: Option<Lane>,
}

/// A column's type, as far as binary COPY needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// `smallint`
    Int2,
    /// `bigint`
    Int8,
    /// `text`
    Text,
    /// `timestamptz`
    Timestamptz,
    /// `jsonb`
    Jsonb,
}

/// A column of a lane's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in SQL.
    pub name: &'static str,
    /// Its type.
    pub kind: ColumnType,
}

const fn column(name: &'static str, kind: ColumnType) -> Column {
    Column { name, kind }
}

const ORDERS: &[Column] = &[
    column("bucket", Int2),
    column("tenant", Text),
    column("customer_id", Text),
    column("ordered_at", Timestamptz),
    column("order_id", Text),
    column("kind", Text),
    column("currency", Text),
    column("total", Int8),
    column("items", Jsonb),
    column("attributes", Jsonb),
];
const EVENTS: &[Column] = &[
    column("bucket", Int2),
    column("tenant", Text),
    column("order_id", Text),
    column("customer_id", Text),
    column("event_id", Text),
    column("kind", Text),
    column("happened_at", Timestamptz),
    column("content", Jsonb),
];
const INDEX: &[Column] = &[
    column("bucket", Int2),
    column("tenant", Text),
    column("order_id", Text),
    column("customer_id", Text),
    column("ordered_at", Timestamptz),
];
const VIEWS: &[Column] = &[
    column("bucket", Int2),
    column("tenant", Text),
    column("view", Int2),
    column("key", Text),
    column("ordered_at", Timestamptz),
    column("order_id", Text),
    column("customer_id", Text),
    column("kind", Text),
    column("currency", Text),
    column("subtotal", Int8),
    column("items", Jsonb),
];
const VIEW_EVENTS: &[Column] = &[
    column("bucket", Int2),
    column("tenant", Text),
    column("view", Int2),
    column("key", Text),
    column("ordered_at", Timestamptz),
    column("order_id", Text),
    column("customer_id", Text),
    column("event_id", Text),
    column("kind", Text),
    column("happened_at", Timestamptz),
    column("content", Jsonb),
];

/// In the order of the enum.
pub(super) const TABLE: [LaneSpec; Lane::ALL.len()] = [
    LaneSpec {
        lane: Lane::Orders,
        name: "orders",
        table: "orders",
        format: "orders/3",
        columns: ORDERS,
        identity: &["bucket", "tenant", "customer_id", "ordered_at", "order_id"],
        time: 3,
        key: &[1, 2],
        partitioned_by: Some("ordered_at"),
        derived_from: None,
    },
    LaneSpec {
        lane: Lane::Events,
        name: "events",
        table: "order_events",
        format: "events/1",
        columns: EVENTS,
        identity: &["bucket", "tenant", "order_id", "customer_id", "event_id"],
        time: 6,
        key: &[1, 2],
        partitioned_by: None,
        derived_from: None,
    },
    LaneSpec {
        lane: Lane::Index,
        name: "index",
        table: "order_index",
        format: "index/2",
        columns: INDEX,
        identity: &["bucket", "tenant", "order_id", "customer_id"],
        time: 4,
        key: &[1, 2],
        partitioned_by: None,
        derived_from: Some(Lane::Orders),
    },
    LaneSpec {
        lane: Lane::Views,
        name: "views",
        table: "order_views",
        format: "views/4",
        columns: VIEWS,
        identity: &["bucket", "tenant", "view", "key", "ordered_at", "order_id", "customer_id"],
        time: 4,
        key: &[1, 2, 3],
        partitioned_by: Some("ordered_at"),
        derived_from: Some(Lane::Orders),
    },
    LaneSpec {
        lane: Lane::ViewEvents,
        name: "view_events",
        table: "view_events",
        format: "view_events/1",
        columns: VIEW_EVENTS,
        identity: &["bucket", "tenant", "view", "key", "ordered_at", "order_id", "customer_id", "event_id"],
        time: 4,
        key: &[1, 2, 3],
        partitioned_by: None,
        derived_from: Some(Lane::Events),
    },
];

/// The most columns of any lane.
pub(crate) const COLUMNS_MAX: usize = {
    let (mut most, mut i) = (0, 0);
    while i < TABLE.len() {
        if TABLE[i].columns.len() > most {
            most = TABLE[i].columns.len();
        }
        i += 1;
    }
    most
};

impl Lane {
    /// Everything that is known of it.
    pub const fn spec(self) -> &'static LaneSpec {
        &TABLE[self as usize]
    }
}

pub(super) const fn place(columns: &[Column], name: &str) -> Option<usize> {
    let mut i = 0;
    while i < columns.len() {
        if is_same(columns[i].name, name) {
            return Some(i);
        }
        i += 1;
    }
    None
}

const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut i = 0;
    while i < one.len() {
        if one[i] != other[i] {
            return false;
        }
        i += 1;
    }
    true
}

const fn check(spec: &LaneSpec) {
    assert!(spec.columns.len() <= i16::MAX as usize, "a tuple counts its fields in 16 bits");
    assert!(spec.columns[spec.time].kind as u8 == Timestamptz as u8, "the time is a time");
    // What belongs to a bucket stands together, and what belongs to a tenant is told from what belongs to others.
    assert!(is_same(spec.identity[0], "bucket") && is_same(spec.identity[1], "tenant"), "so each key begins");
    assert!(spec.columns[0].kind as u8 == Int2 as u8 && spec.columns[1].kind as u8 == Text as u8);
    assert!(spec.key.len() > 1 && spec.key[0] == 1, "what is looked up by begins with the tenant");
    let mut i = 0;
    while i < spec.identity.len() {
        // The order in which rows are sent is made of the beginning of a tuple.
        assert!(is_same(spec.columns[i].name, spec.identity[i]), "the columns begin with the identity");
        assert!(spec.columns[i].kind as u8 != Jsonb as u8, "nothing can be looked up by a document");
        i += 1;
    }
    let mut i = 0;
    while i < spec.key.len() {
        assert!(spec.key[i] < spec.identity.len(), "what is looked up by is of the identity");
        i += 1;
    }
    let mut i = 0;
    while i < spec.columns.len() {
        assert!(place(spec.columns, spec.columns[i].name).expect("it is there") == i, "a column stands there once");
        i += 1;
    }
    if let Some(column) = spec.partitioned_by {
        let place = place(spec.columns, column).expect("the partition column is there");
        assert!(
            place < spec.identity.len() && place == spec.time,
            "the partition column is the time, and of the identity"
        );
    }
}

const _: () = {
    let mut i = 0;
    while i < TABLE.len() {
        let one = &TABLE[i];
        assert!(one.lane as usize == i, "the table is in the order of the enum");
        check(one);
        let mut j = 0;
        while j < i {
            let other = &TABLE[j];
            assert!(!is_same(one.name, other.name) && !is_same(one.table, other.table), "names are of one lane");
            assert!(!is_same(one.format, other.format), "formats are of one lane");
            j += 1;
        }
        i += 1;
    }
    let mut i = 0;
    while i < TABLE.len() {
        if let Some(origin) = TABLE[i].derived_from {
            assert!(TABLE[origin as usize].derived_from.is_none(), "what is derived follows from what was logged");
        }
        i += 1;
    }
};
