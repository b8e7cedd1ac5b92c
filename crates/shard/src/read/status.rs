//! The status of stored orders, and what they come to since they were amended: as it stands in their rows, and as it follows from what is
//! stored.
//!
//! What happened to an order is folded where it is read. Lists of orders by their status, and sums, cannot do that to every order of a
//! history, so the rows of `orders` and `order_views` keep it. This is the one place that says what it is to be: what stores something that it
//! follows from sets it by this, and verification compares it with this.

use std::fmt;

use forebay_model::event::life::Life;
use forebay_model::{AmendedItems, Bucket, Lane, Status, StoredEvents, Tenant, Timestamp, Tuple, Worth};
use sqlx::postgres::{PgArguments, PgConnection, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Row};

use super::order_key::OrderKey;
use super::statement::sql::{EVENTS, VIEW_EVENTS};
use crate::timestamptz::Timestamptz;

/// A row that has a status: an order, or one as the key of a view sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey {
    bucket: i16,
    tenant: String,
    /// Of a view; 0 and empty of an order itself.
    view: i16,
    key: String,
    ordered_at: Timestamp,
    order_id: String,
    customer_id: String,
}

/// What a row keeps of what happened to its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptStatus {
    /// The number of its status.
    pub status: i16,
    /// What its items come to since they were amended.
    pub amended: Option<AmendedItems>,
}

/// How a row stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The place of its key among those that were asked for.
    pub place: usize,
    /// What it keeps.
    pub stored: KeptStatus,
    /// What it is to keep, by what is stored.
    pub follows: KeptStatus,
    /// What it counted for as it was placed.
    pub placed: Worth,
    /// Sale or return, by its word.
    pub kind: String,
    /// What its sums are in.
    pub currency: String,
    /// The partition that has it, as SQL names it.
    pub(crate) partition: String,
    /// Where it is in there, for as long as the transaction lasts that it was read in: its `ctid`.
    pub(crate) ctid: String,
}

/// The columns of a row that [`RowKey::from_row`] reads, in this order.
#[must_use]
pub const fn key_columns(lane: Lane) -> &'static str {
    match lane {
        Lane::Views | Lane::ViewEvents => "bucket, tenant, view, key, ordered_at, order_id, customer_id",
        Lane::Orders | Lane::Events | Lane::Index => "bucket, tenant, 0::int2, '', ordered_at, order_id, customer_id",
    }
}

/// Rows of keys as a table of SQL, which has them as the parameters from the first on.
pub(crate) const KEYS: &str =
    "unnest($1::int2[], $2::text[], $3::int2[], $4::text[], $5::timestamptz[], $6::text[], $7::text[])";

impl RowKey {
    /// That of an order itself.
    pub(crate) fn of_order(bucket: Bucket, order: &OrderKey) -> Self {
        Self {
            bucket: bucket.number().cast_signed(),
            tenant: order.tenant.as_str().to_owned(),
            view: 0,
            key: String::new(),
            ordered_at: order.ordered_at,
            order_id: order.order_id.clone(),
            customer_id: order.customer_id.clone(),
        }
    }

    /// That of the view row that a tuple of lane `views` is, or that one of lane `view_events` belongs to. What cannot be a text of
    /// Postgres was not stored.
    pub(crate) fn of_view(tuple: &Tuple<'_>) -> Option<Self> {
        let text = |name| {
            let text = str::from_utf8(tuple.named(name)?).ok()?;
            (!text.contains('\0')).then(|| text.to_owned())
        };
        let number = |name| Some(i16::from_be_bytes(tuple.named(name)?.try_into().ok()?));
        Some(Self {
            bucket: number("bucket")?,
            tenant: text("tenant")?,
            view: number("view")?,
            key: text("key")?,
            ordered_at: tuple.ordered_at(),
            order_id: text("order_id")?,
            customer_id: text("customer_id")?,
        })
    }

    /// Reads it from a row that has [`key_columns`] first.
    ///
    /// # Errors
    /// Where the row has others there.
    pub fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            bucket: row.try_get(0)?,
            tenant: row.try_get(1)?,
            view: row.try_get(2)?,
            key: row.try_get(3)?,
            ordered_at: row.try_get::<Timestamptz, _>(4)?.0,
            order_id: row.try_get(5)?,
            customer_id: row.try_get(6)?,
        })
    }

    /// Where its owner lies, and who that is: bucket, tenant, and of a view which one and which of its keys.
    pub(crate) fn owner(&self) -> (i16, &str, i16, &str) {
        (self.bucket, &self.tenant, self.view, &self.key)
    }

    /// Its order's time.
    pub(crate) fn ordered_at(&self) -> Timestamp {
        self.ordered_at
    }

    /// Which order it is of.
    fn order(&self) -> OrderKey {
        let Self { tenant, ordered_at, order_id, customer_id, .. } = self;
        let (order_id, customer_id) = (order_id.clone(), customer_id.clone());
        OrderKey { ordered_at: *ordered_at, order_id, customer_id, tenant: Tenant::of_stored(tenant.clone()) }
    }

    /// Binds keys as the parameters of [`KEYS`].
    pub(crate) fn bind<'q>(
        query: Query<'q, Postgres, PgArguments>,
        keys: &'q [&'q Self],
    ) -> Query<'q, Postgres, PgArguments> {
        let texts = |text: fn(&Self) -> &str| keys.iter().map(|key| text(key)).collect::<Vec<_>>();
        query
            .bind(keys.iter().map(|key| key.bucket).collect::<Vec<_>>())
            .bind(texts(|key| &key.tenant))
            .bind(keys.iter().map(|key| key.view).collect::<Vec<_>>())
            .bind(texts(|key| &key.key))
            .bind(keys.iter().map(|key| Timestamptz(key.ordered_at)).collect::<Vec<_>>())
            .bind(texts(|key| &key.order_id))
            .bind(texts(|key| &key.customer_id))
    }
}

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.view > 0 {
            write!(f, "what {} of view {} sees of ", self.key, self.view)?;
        }
        write!(f, "{}", self.order())
    }
}

/// That a row of a lane's table has the key that stands in `wanted`, as a condition in SQL.
pub(crate) fn is_wanted(lane: Lane) -> String {
    let table = lane.table();
    let same = |column: &&str| format!("{table}.{column} = wanted.{column}");
    lane.identity().iter().map(same).collect::<Vec<_>>().join(" and ")
}

impl KeptStatus {
    /// The name of its status, where it has one.
    pub fn status_text(&self) -> String {
        let status = usize::try_from(self.status).ok().and_then(|number| Status::ALL.get(number));
        status.map_or_else(|| format!("status {}", self.status), ToString::to_string)
    }
}

impl Standing {
    /// What its order counts for more in sums, once the row keeps what it is to keep.
    pub(crate) fn change(&self) -> Worth {
        self.placed.amended(self.follows.amended) - self.placed.amended(self.stored.amended)
    }
}

/// What the rows of a lane's table keep, whether they counted as they were placed, and what for, kind and currency.
const fn kept_columns(lane: Lane) -> &'static str {
    match lane {
        Lane::Views | Lane::ViewEvents => "status, amended, has_items, items <> '[]'::jsonb, subtotal, kind, currency",
        Lane::Orders | Lane::Events | Lane::Index => "status, amended, null::bool, true, total, kind, currency",
    }
}

/// How these rows of lane `orders` or `views` stand, as far as they are stored.
///
/// # Errors
/// Where the shard does not answer.
pub async fn standings(
    connection: &mut PgConnection,
    lane: Lane,
    wanted: &[&RowKey],
) -> Result<Vec<Standing>, sqlx::Error> {
    let times = || wanted.iter().map(|key| key.ordered_at);
    let (Some(earliest), Some(latest)) = (times().min(), times().max()) else { return Ok(Vec::new()) };
    let (table, same, kept) = (lane.table(), is_wanted(lane), kept_columns(lane));
    let events = if lane == Lane::Views { VIEW_EVENTS } else { EVENTS };
    // One look at the primary key for each, whatever the planner thinks of tables that it has no figures of; the bounds leave out every
    // partition that there is nothing for.
    let sql = format!(
        "select n, found.* from {KEYS} with ordinality \
            as wanted(bucket, tenant, view, key, ordered_at, order_id, customer_id, n) \
         cross join lateral (select {table}.ordered_at, items::text, ({events})::text, {kept}, \
                tableoid::regclass::text, ctid::text from {table} \
            where {same} and {table}.ordered_at between $8 and $9 limit 1) as found"
    );
    let query = RowKey::bind(sqlx::query(AssertSqlSafe(sql)), wanted);
    let rows = query.bind(Timestamptz(earliest)).bind(Timestamptz(latest)).fetch_all(connection).await?;
    rows.iter().map(|row| standing(row, lane)).collect()
}

fn standing(row: &PgRow, lane: Lane) -> Result<Standing, sqlx::Error> {
    let place = (row.try_get::<i64, _>(0)? - 1) as usize;
    let ordered_at = row.try_get::<Timestamptz, _>(1)?.0;
    let (items, events) = (row.try_get::<&str, _>(2)?, row.try_get::<Option<&str>, _>(3)?);
    // What cannot be read, as only a foreign row can have it, is nothing: it must not keep what comes behind it from being stored.
    let events = StoredEvents::read(events).unwrap_or_default();
    let fold = if lane == Lane::Views { Life::of_part } else { Life::of };
    let life = fold(ordered_at, items, &events);
    let amended = row.try_get::<Option<i64>, _>(5)?;
    let is_any = row.try_get::<Option<bool>, _>(6)?.unwrap_or(true);
    let stored = KeptStatus { status: row.try_get(4)?, amended: amended.map(|total| AmendedItems { total, is_any }) };
    // An order is one whatever its items are.
    let is_whole = lane != Lane::Views;
    let amended = AmendedItems::of(&life).map(|items| AmendedItems { is_any: items.is_any || is_whole, ..items });
    let follows = KeptStatus { status: life.status.number(), amended };
    let placed = Worth::of(row.try_get(8)?, row.try_get(7)?);
    let (kind, currency, partition, ctid) = (row.try_get(9)?, row.try_get(10)?, row.try_get(11)?, row.try_get(12)?);
    Ok(Standing { place, stored, follows, placed, kind, currency, partition, ctid })
}
