//! What orders come to, by the hour: kept in the transaction of the orders, so that the sums are as true as the position, and totals
//! over any time need no look at the orders of whole hours.
//!
//! Rows that go straight into the table are summed here, before they are known to be stored: where one is not, none is. Of those that go
//! through the staging table, the statement that stores what is new sums it.

use std::collections::BTreeMap;

use forebay_model::touched::{HOUR_US, hour_of};
use forebay_model::{Lane, Timestamp, Tuples};
use sqlx::postgres::PgConnection;

use crate::store::lane::sift::RowRange;
use crate::store::step::{Step, StepError, step};
use crate::timestamptz::Timestamptz;

/// What the orders of a batch come to.
#[derive(Debug, Default)]
pub(crate) struct Sums<'a>(BTreeMap<Key<'a>, Sum>);

/// Whose orders, of which hour, of which kind, in what. The texts are those of tuples that a shard has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    tenant: &'a [u8],
    hour: i32,
    kind: &'a [u8],
    currency: &'a [u8],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    orders: i64,
    total: i128,
}

const TENANT: usize = Lane::Orders.place("tenant");
const KIND: usize = Lane::Orders.place("kind");
const CURRENCY: usize = Lane::Orders.place("currency");
const TOTAL: usize = Lane::Orders.place("total");

impl<'a> Sums<'a> {
    /// Those of a batch. Lanes other than `orders` have none.
    pub(crate) fn of(lane: Lane, ranges: &[RowRange<'a>]) -> Self {
        let mut sums = Self::default();
        if lane != Lane::Orders {
            return sums;
        }
        for tuple in ranges.iter().flat_map(|range| Tuples::new(lane, range.bytes())).flatten() {
            let hour = hour_of(tuple.ordered_at());
            let [tenant, kind, currency] = [TENANT, KIND, CURRENCY].map(|place| tuple.field(place));
            let sum = sums.0.entry(Key { tenant, hour, kind, currency }).or_default();
            sum.orders += 1;
            sum.total += tuple.field(TOTAL).try_into().map(i64::from_be_bytes).map_or(0, i128::from);
        }
        sums
    }

    /// Adds them to what is kept.
    pub(crate) async fn add(&self, connection: &mut PgConnection) -> Result<(), StepError> {
        // A sum of many totals may have more than 64 bits.
        const SQL: &str = "insert into order_sums as known (tenant, hour, kind, currency, orders, total) \
            select * from unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::int8[], $6::text[]::numeric[]) \
            on conflict (tenant, hour, kind, currency) do update \
                set orders = known.orders + excluded.orders, total = known.total + excluded.total";
        if self.0.is_empty() {
            return Ok(());
        }
        let texts = |text: fn(&Key<'a>) -> &'a [u8]| {
            self.0.keys().map(|key| str::from_utf8(text(key)).unwrap_or_default()).collect::<Vec<_>>()
        };
        let hour = |key: &Key<'_>| Timestamptz(Timestamp::from_unix_us(i64::from(key.hour) * HOUR_US));
        let add = sqlx::query(SQL)
            .bind(texts(|key| key.tenant))
            .bind(self.0.keys().map(hour).collect::<Vec<_>>())
            .bind(texts(|key| key.kind))
            .bind(texts(|key| key.currency))
            .bind(self.0.values().map(|sum| sum.orders).collect::<Vec<_>>())
            .bind(self.0.values().map(|sum| sum.total.to_string()).collect::<Vec<_>>());
        step(Step::Rows, add.execute(connection)).await?;
        Ok(())
    }
}
