//! What orders come to: everybody's by the hour, and those that each key of a view sees by the day. Kept in the transaction of the orders, and
//! of what amends them, so that the sums are as true as the position, and totals over any time need no look at the orders of whole hours and days.
//!
//! Rows that go straight into the table are summed here, before they are known to be stored: where one is not, none is. Of those that go
//! through the staging table, the statement that stores what is new sums it.

use std::collections::BTreeMap;

use forebay_model::touched::HOUR_US;
use forebay_model::{Bucket, Lane, Timestamp, Tuple, Worth};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use crate::read::status::{RowKey, Standing};
use crate::step::{Step, StepError, step};
use crate::store::error::AttemptError;
use crate::store::lane::sift::{RowRange, text};
use crate::sum_table::SumTable;
use crate::timestamptz::Timestamptz;

/// What orders of a lane come to.
#[derive(Debug)]
pub(crate) struct Sums<'a> {
    lane: Lane,
    sums: BTreeMap<Key<'a>, Worth>,
}

/// Whose orders, since when, of which kind, in what. The texts are those of tuples that a shard has taken, or of its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    /// Of a view's key; 0 of everybody.
    bucket: i16,
    tenant: &'a str,
    /// Of a view; 0 and empty of everybody.
    view: i16,
    key: &'a str,
    /// When the hour begins, or the day of a view's key: in hours since 1970.
    since: i32,
    kind: &'a str,
    currency: &'a str,
}

mod order {
    use forebay_model::Lane;

    pub(super) const TENANT: usize = Lane::Orders.place("tenant");
    pub(super) const KIND: usize = Lane::Orders.place("kind");
    pub(super) const CURRENCY: usize = Lane::Orders.place("currency");
    pub(super) const TOTAL: usize = Lane::Orders.place("total");
}

mod view {
    use forebay_model::Lane;

    pub(super) const BUCKET: usize = Lane::Views.place("bucket");
    pub(super) const TENANT: usize = Lane::Views.place("tenant");
    pub(super) const VIEW: usize = Lane::Views.place("view");
    pub(super) const KEY: usize = Lane::Views.place("key");
    pub(super) const KIND: usize = Lane::Views.place("kind");
    pub(super) const CURRENCY: usize = Lane::Views.place("currency");
    pub(super) const SUBTOTAL: usize = Lane::Views.place("subtotal");
    pub(super) const ITEMS: usize = Lane::Views.place("items");
}

impl<'a> Key<'a> {
    fn of_order(tuple: &Tuple<'a>) -> Result<Self, AttemptError> {
        let since = SumTable::ORDERS.since(tuple.ordered_at());
        let (tenant, kind) = (text(tuple, order::TENANT)?, text(tuple, order::KIND)?);
        Ok(Self { tenant, since, kind, currency: text(tuple, order::CURRENCY)?, ..Self::default() })
    }

    fn of_view(tuple: &Tuple<'a>) -> Result<Self, AttemptError> {
        Ok(Self {
            bucket: tuple.int2(view::BUCKET),
            tenant: text(tuple, view::TENANT)?,
            view: tuple.int2(view::VIEW),
            key: text(tuple, view::KEY)?,
            since: SumTable::VIEWS.since(tuple.ordered_at()),
            kind: text(tuple, view::KIND)?,
            currency: text(tuple, view::CURRENCY)?,
        })
    }
}

fn placed_order(tuple: &Tuple<'_>) -> Worth {
    Worth::of(tuple.int8(order::TOTAL), true)
}

/// A key that has come in by an amendment had nothing when the order was placed.
fn placed_view(tuple: &Tuple<'_>) -> Worth {
    Worth::of(tuple.int8(view::SUBTOTAL), tuple.field(view::ITEMS) != b"[]")
}

/// Counts all orders that are here of a bucket, which the shard owns from now on, or no longer counts them.
pub(crate) async fn count_unit(
    connection: &mut PgConnection,
    bucket: Bucket,
    is_owned: bool,
) -> Result<(), sqlx::Error> {
    const COUNTED: &str = "select tenant, date_trunc('hour', ordered_at, 'UTC') as hour, kind, currency, \
            $2 * count(*) as orders, $2 * sum(coalesce(amended, total)) as total \
        from orders where bucket = $1 group by 1, 2, 3, 4";
    const NOTHING: &str = "delete from order_sums where orders = 0 and total = 0";
    let sign: i32 = if is_owned { 1 } else { -1 };
    let add = SumTable::ORDERS.add(&format!("select * from ({COUNTED}) as counted"));
    let add = sqlx::query(AssertSqlSafe(add)).bind(bucket.number().cast_signed()).bind(sign);
    add.execute(&mut *connection).await?;
    if !is_owned {
        sqlx::query(NOTHING).execute(connection).await?;
    }
    Ok(())
}

impl<'a> Sums<'a> {
    /// None yet.
    pub(crate) fn none(lane: Lane) -> Self {
        Self { lane, sums: BTreeMap::new() }
    }

    /// Those of a batch, as it was placed.
    ///
    /// # Errors
    /// [`AttemptError::Violated`] where a row cannot be read that the shard has taken: it would be stored and count for nothing.
    pub(crate) fn of(lane: Lane, ranges: &[RowRange<'a>]) -> Result<Self, AttemptError> {
        let mut sums = Self::none(lane);
        let counted: fn(&Tuple<'a>) -> Result<(Key<'a>, Worth), AttemptError> = match lane {
            Lane::Orders => |tuple| Ok((Key::of_order(tuple)?, placed_order(tuple))),
            Lane::Views => |tuple| Ok((Key::of_view(tuple)?, placed_view(tuple))),
            Lane::Events | Lane::Index | Lane::ViewEvents => return Ok(sums),
        };
        for tuple in ranges.iter().flat_map(|range| range.read()) {
            let (key, worth) = counted(&tuple?)?;
            sums.put(key, worth);
        }
        Ok(sums)
    }

    /// Counts a stored row for what it is to count from now on, and no longer for what it did.
    pub(crate) fn change(&mut self, row: &'a RowKey, standing: &'a Standing) {
        let (bucket, tenant, view, key) = row.owner();
        let (at, kind, currency) = (row.ordered_at(), &*standing.kind, &*standing.currency);
        let key = if self.lane == Lane::Views {
            Key { bucket, tenant, view, key, since: SumTable::VIEWS.since(at), kind, currency }
        } else {
            Key { tenant, since: SumTable::ORDERS.since(at), kind, currency, ..Key::default() }
        };
        self.put(key, standing.change());
    }

    /// What counts for nothing is not there.
    fn put(&mut self, key: Key<'a>, worth: Worth) {
        if worth != Worth::default() {
            *self.sums.entry(key).or_default() += worth;
        }
    }

    /// Adds them to what is kept.
    pub(crate) async fn add(&self, connection: &mut PgConnection) -> Result<(), StepError> {
        let Some(table) = SumTable::of(self.lane).filter(|_| !self.sums.is_empty()) else { return Ok(()) };
        // A sum of many totals may have more than 64 bits.
        let sql = table.add(&format!(
            "select {}, orders, total from unnest($1::int2[], $2::text[], $3::int2[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], \
                $8::int8[], $9::text[]::numeric[]) as new(bucket, tenant, view, key, {}, kind, currency, orders, total)",
            table.of, table.since
        ));
        let texts = |text: fn(&Key<'a>) -> &'a str| self.sums.keys().map(text).collect::<Vec<_>>();
        let since = |key: &Key<'_>| Timestamptz(Timestamp::from_unix_us(i64::from(key.since) * HOUR_US));
        let add = sqlx::query(AssertSqlSafe(sql))
            .bind(self.sums.keys().map(|key| key.bucket).collect::<Vec<_>>())
            .bind(texts(|key| key.tenant))
            .bind(self.sums.keys().map(|key| key.view).collect::<Vec<_>>())
            .bind(texts(|key| key.key))
            .bind(self.sums.keys().map(since).collect::<Vec<_>>())
            .bind(texts(|key| key.kind))
            .bind(texts(|key| key.currency))
            .bind(self.sums.values().map(|worth| worth.orders).collect::<Vec<_>>())
            .bind(self.sums.values().map(|worth| worth.total.to_string()).collect::<Vec<_>>());
        step(Step::Rows, add.execute(connection)).await?;
        Ok(())
    }
}
