//! The tables of what orders come to.

use forebay_model::touched::hour_of;
use forebay_model::{Lane, Timestamp};

/// A table of sums.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SumTable {
    pub(crate) name: &'static str,
    /// What its sums are of, in the order of its primary key.
    pub(crate) of: &'static str,
    /// The column that says since when they are, called by how long that is.
    pub(crate) since: &'static str,
    /// How many hours that is.
    pub(crate) hours: i32,
}

impl SumTable {
    /// Everybody's.
    pub(crate) const ORDERS: Self =
        Self { name: "order_sums", of: "tenant, hour, kind, currency", since: "hour", hours: 1 };
    /// What keys of views see.
    pub(crate) const VIEWS: Self =
        Self { name: "view_sums", of: "bucket, tenant, view, key, day, kind, currency", since: "day", hours: 24 };

    /// That of a lane.
    pub(crate) const fn of(lane: Lane) -> Option<Self> {
        match lane {
            Lane::Orders => Some(Self::ORDERS),
            Lane::Views => Some(Self::VIEWS),
            Lane::Events | Lane::Index | Lane::ViewEvents => None,
        }
    }

    /// Since when the sum is to which an instant belongs, in hours since 1970.
    pub(crate) fn since(self, at: Timestamp) -> i32 {
        hour_of(at).div_euclid(self.hours) * self.hours
    }

    /// The statement that adds rows to it: `rows` is a query that gives, for each of what they are of, orders and total.
    pub(crate) fn add(self, rows: &str) -> String {
        let Self { name, of, .. } = self;
        // Always in one order: two statements that lock the same rows in different orders would wait for each other.
        format!(
            "insert into {name} as known ({of}, orders, total) {rows} order by {of} on conflict ({of}) do update \
                set orders = known.orders + excluded.orders, total = known.total + excluded.total"
        )
    }
}
