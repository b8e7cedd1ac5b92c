//! The orders that events are about. An event names its order by its id, and by its customer where the id does not lead there; when the
//! order was stands beside the orders: in the id itself, or in `order_time`.

use std::collections::BTreeSet;

use forebay_model::order::home::Home;
use forebay_model::{Bucket, Lane, Tenant, Timestamp, Tuple, Tuples};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::order_key::OrderKey;
use crate::partition::LATEST;
use crate::timestamptz::Timestamptz;

/// A stored order that events are about, where one of both is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eventful {
    /// The bucket of its customer.
    pub bucket: Bucket,
    /// Which order.
    pub order: OrderKey,
    /// What is new.
    pub news: News,
}

/// What is new of an order together with its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The order is: all that has happened to it is seen from now on.
    Order,
    /// Events with these ids are, as far as they are stored.
    Events(BTreeSet<String>),
}

impl News {
    /// Whether an event is.
    pub fn has(&self, event_id: &str) -> bool {
        match self {
            Self::Order => true,
            Self::Events(new) => new.contains(event_id),
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Events(mut one), Self::Events(other)) => {
                one.extend(other);
                Self::Events(one)
            }
            _ => Self::Order,
        }
    }
}

/// The order that an event names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderRef {
    /// The bucket of its customer.
    pub bucket: Bucket,
    /// Whose customer.
    pub tenant: String,
    /// Which order.
    pub order_id: String,
    /// Of which customer; empty where the id leads there.
    pub customer_id: String,
}

const BUCKET: usize = Lane::Events.place("bucket");
const TENANT: usize = Lane::Events.place("tenant");
const ORDER_ID: usize = Lane::Events.place("order_id");
const CUSTOMER_ID: usize = Lane::Events.place("customer_id");
const EVENT_ID: usize = Lane::Events.place("event_id");

impl OrderRef {
    /// Of every event in a payload of lane `events`, with the event's id. What cannot be read was not stored.
    pub fn all_of(payload: &[u8]) -> impl Iterator<Item = (Self, String)> + '_ {
        Tuples::new(Lane::Events, payload).filter_map(Result::ok).filter_map(|tuple| Self::of(&tuple))
    }

    /// The bucket that a tuple of lane `events` names, where there is one of that number.
    pub(crate) fn bucket_of(tuple: &Tuple<'_>) -> Option<Bucket> {
        Bucket::new(tuple.int2(BUCKET).cast_unsigned())
    }

    /// Of a tuple of lane `events`, with the event's id. `None` where its bucket is none, or what cannot be a text of Postgres is to be one.
    pub(crate) fn of(tuple: &Tuple<'_>) -> Option<(Self, String)> {
        let text =
            |place| str::from_utf8(tuple.field(place)).ok().filter(|text| !text.contains('\0')).map(str::to_owned);
        let bucket = Self::bucket_of(tuple)?;
        let (tenant, order_id, customer_id) = (text(TENANT)?, text(ORDER_ID)?, text(CUSTOMER_ID)?);
        Some((Self { bucket, tenant, order_id, customer_id }, text(EVENT_ID)?))
    }

    /// Reads it from a row that has bucket, tenant, order id and customer first.
    ///
    /// # Errors
    /// Where the row has others there.
    pub(crate) fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let bucket = row.try_get::<i16, _>(0)?.cast_unsigned();
        let bucket = Bucket::new(bucket).ok_or_else(|| sqlx::Error::Decode(format!("a bucket {bucket}").into()))?;
        Ok(Self { bucket, tenant: row.try_get(1)?, order_id: row.try_get(2)?, customer_id: row.try_get(3)? })
    }

    /// The millisecond in which the id says that the order was, where it is of this bucket.
    fn home(&self) -> Option<(Timestamp, Timestamp)> {
        let home = Home::of(&self.order_id).filter(|home| home.bucket == self.bucket)?;
        let at = Timestamp::from_unix_us(home.unix_ms * 1000);
        // No order has another time.
        (Timestamp::EARLIEST..LATEST).contains(&at).then(|| (at, at.plus_us(999)))
    }
}

/// Which of these name orders that are stored: the place of each that does, with the order. An id that leads to no customer by itself may
/// name several orders where no customer is named.
///
/// # Errors
/// Where the shard does not answer.
pub async fn orders(
    connection: &mut PgConnection,
    wanted: &[OrderRef],
) -> Result<Vec<(usize, (Bucket, OrderKey))>, sqlx::Error> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = of_noted_time(connection, wanted).await?;
    found.append(&mut at_home(connection, wanted).await?);
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Those whose ids do not tell their time.
async fn of_noted_time(
    connection: &mut PgConnection,
    wanted: &[OrderRef],
) -> Result<Vec<(usize, (Bucket, OrderKey))>, sqlx::Error> {
    // One look at the primary key for each, whatever the planner thinks of tables that it has no figures of.
    const SQL: &str = "select n, t.ordered_at, t.customer_id \
        from unnest($1::int2[], $2::text[], $3::text[], $4::text[]) with ordinality \
            as wanted(bucket, tenant, order_id, customer_id, n) \
        cross join lateral (select * from order_time where order_time.bucket = wanted.bucket \
            and order_time.tenant = wanted.tenant and order_time.order_id = wanted.order_id \
            and (wanted.customer_id = '' or order_time.customer_id = wanted.customer_id) limit 1000) as t";
    let rows = sqlx::query(SQL)
        .bind(wanted.iter().map(|of| of.bucket.number().cast_signed()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|of| of.tenant.as_str()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|of| of.order_id.as_str()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|of| of.customer_id.as_str()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| found(row, wanted, |n| n)).collect()
}

/// Those that lie where their ids say.
async fn at_home(
    connection: &mut PgConnection,
    wanted: &[OrderRef],
) -> Result<Vec<(usize, (Bucket, OrderKey))>, sqlx::Error> {
    // The bounds leave out every partition that no id leads to. By the bucket as well, the planner might walk along the primary key.
    const SQL: &str = "select n, o.ordered_at, o.customer_id, o.bucket \
        from unnest($3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[]) with ordinality \
            as wanted(tenant, order_id, earliest, latest, n) \
        cross join lateral (select orders.ordered_at, orders.customer_id, orders.bucket from orders \
            where orders.ordered_at between wanted.earliest and wanted.latest and orders.order_id = wanted.order_id \
            and orders.ordered_at between $1 and $2 and orders.tenant = wanted.tenant \
            limit 1000) as o";
    let homes: Vec<_> = wanted.iter().enumerate().filter_map(|(place, of)| Some((place, of, of.home()?))).collect();
    let spans = || homes.iter().map(|(.., span)| *span);
    let Some((earliest, latest)) = spans().reduce(|sum, span| (sum.0.min(span.0), sum.1.max(span.1))) else {
        return Ok(Vec::new());
    };
    let rows = sqlx::query(SQL)
        .bind(Timestamptz(earliest))
        .bind(Timestamptz(latest))
        .bind(homes.iter().map(|(_, of, _)| of.tenant.as_str()).collect::<Vec<_>>())
        .bind(homes.iter().map(|(_, of, _)| of.order_id.as_str()).collect::<Vec<_>>())
        .bind(spans().map(|span| Timestamptz(span.0)).collect::<Vec<_>>())
        .bind(spans().map(|span| Timestamptz(span.1)).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    let mut all = Vec::new();
    for row in &rows {
        let bucket = row.try_get::<i16, _>(3)?.cast_unsigned();
        let (place, order) = found(row, wanted, |n| homes[n].0)?;
        let of = &wanted[place];
        if of.bucket.number() == bucket && (of.customer_id.is_empty() || of.customer_id == order.1.customer_id) {
            all.push((place, order));
        }
    }
    Ok(all)
}

/// What a row has found for the order whose place its number leads to.
fn found(
    row: &PgRow,
    wanted: &[OrderRef],
    place: impl Fn(usize) -> usize,
) -> Result<(usize, (Bucket, OrderKey)), sqlx::Error> {
    let place = place((row.try_get::<i64, _>(0)? - 1) as usize);
    let of = &wanted[place];
    let key = OrderKey {
        ordered_at: row.try_get::<Timestamptz, _>(1)?.0,
        order_id: of.order_id.clone(),
        customer_id: row.try_get(2)?,
        tenant: Tenant::of_stored(of.tenant.clone()),
    };
    Ok((place, (of.bucket, key)))
}
