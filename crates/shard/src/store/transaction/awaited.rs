//! Orders and the events about them, whichever is stored last. What happened to an order is derived for views together with the order, and
//! caches are told of the order's customer and time: so of each event its order is found in the transaction that stores it, and where that is
//! not here yet, it is noted as awaited, so that it is seen when it comes.

use std::collections::{BTreeMap, BTreeSet};

use forebay_model::{Bucket, Identity, Lane};
use sqlx::postgres::PgConnection;

use crate::read::eventful::{self, Eventful, News, OrderRef};
use crate::read::order_key::OrderKey;
use crate::step::{Step, step};
use crate::store::error::AttemptError;
use crate::store::lane::LanePart;
use crate::store::lane::sift::RowRange;

/// The stored orders that events are about, where one of both is of these parts of a transaction, whose rows are stored.
pub(crate) async fn eventful(
    connection: &mut PgConnection,
    parts: &[LanePart<'_>],
) -> Result<Vec<Eventful>, AttemptError> {
    let mut eventful: BTreeMap<(Bucket, OrderKey), News> = BTreeMap::new();
    for part in parts.iter().filter(|part| !part.ranges.is_empty()) {
        let found = match part.lane {
            Lane::Orders if step(Step::Rows, is_any_awaited(connection)).await? => {
                let stored = stored_orders(part.ranges)?;
                step(Step::Rows, no_longer_awaited(connection, &stored)).await?
            }
            Lane::Events => {
                let new = new_events(part.ranges)?;
                step(Step::Rows, happened_to(connection, new)).await?
            }
            Lane::Orders | Lane::Index | Lane::Views | Lane::ViewEvents => continue,
        };
        for (order, news) in found {
            let all = match eventful.remove(&order) {
                Some(known) => known.and(news),
                None => news,
            };
            eventful.insert(order, all);
        }
    }
    Ok(eventful.into_iter().map(|((bucket, order), news)| Eventful { bucket, order, news }).collect())
}

/// The orders that stored rows are. To a bucket that there is not no event leads.
pub(super) fn stored_orders(stored: &[RowRange<'_>]) -> Result<Vec<(Bucket, OrderKey)>, AttemptError> {
    let mut orders = Vec::new();
    for tuple in stored.iter().flat_map(|range| range.read()) {
        let identity = Identity::of(&tuple?);
        if Bucket::new(identity.bucket).is_some() {
            orders.push(OrderKey::of(&identity).ok_or_else(no_text)?);
        }
    }
    Ok(orders)
}

/// The ids of events that stored rows are, by the orders that they name; likewise.
pub(super) fn new_events(stored: &[RowRange<'_>]) -> Result<BTreeMap<OrderRef, BTreeSet<String>>, AttemptError> {
    let mut new: BTreeMap<OrderRef, BTreeSet<String>> = BTreeMap::new();
    for tuple in stored.iter().flat_map(|range| range.read()) {
        let tuple = tuple?;
        if OrderRef::bucket_of(&tuple).is_some() {
            let (of, event_id) = OrderRef::of(&tuple).ok_or_else(no_text)?;
            new.entry(of).or_default().insert(event_id);
        }
    }
    Ok(new)
}

fn no_text() -> AttemptError {
    AttemptError::unreadable(&"what is to be a text in it is none")
}

async fn is_any_awaited(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select exists (select from order_awaited)").fetch_one(connection).await
}

/// The orders among these that events were waiting for. (Of two with one id the other may be dead.)
async fn no_longer_awaited(
    connection: &mut PgConnection,
    stored: &[(Bucket, OrderKey)],
) -> Result<Vec<((Bucket, OrderKey), News)>, sqlx::Error> {
    // One look at the primary key for each order.
    const SQL: &str = "delete from order_awaited a using unnest($1::int2[], $2::text[], $3::text[], $4::text[]) \
            as stored(bucket, tenant, order_id, customer_id) \
        where a.bucket = stored.bucket and a.tenant = stored.tenant and a.order_id = stored.order_id \
            and a.customer_id in ('', stored.customer_id) returning a.bucket, a.tenant, a.order_id, a.customer_id";
    let awaited = sqlx::query(SQL)
        .bind(stored.iter().map(|(bucket, _)| bucket.number().cast_signed()).collect::<Vec<_>>())
        .bind(stored.iter().map(|(_, key)| key.tenant.as_str()).collect::<Vec<_>>())
        .bind(stored.iter().map(|(_, key)| key.order_id.as_str()).collect::<Vec<_>>())
        .bind(stored.iter().map(|(_, key)| key.customer_id.as_str()).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await?;
    let awaited: Vec<OrderRef> = awaited.iter().map(OrderRef::from_row).collect::<Result<_, _>>()?;
    let found = eventful::orders(connection, &awaited).await?;
    Ok(found.into_iter().map(|(_, order)| (order, News::Order)).collect())
}

/// The stored orders that these events are about. Those that are not here are awaited.
async fn happened_to(
    connection: &mut PgConnection,
    new: BTreeMap<OrderRef, BTreeSet<String>>,
) -> Result<Vec<((Bucket, OrderKey), News)>, sqlx::Error> {
    const SQL: &str = "insert into order_awaited (bucket, tenant, order_id, customer_id) \
        select * from unnest($1::int2[], $2::text[], $3::text[], $4::text[]) on conflict do nothing";
    let (named, new): (Vec<OrderRef>, Vec<BTreeSet<String>>) = new.into_iter().unzip();
    let found = eventful::orders(&mut *connection, &named).await?;
    let here: BTreeSet<usize> = found.iter().map(|(place, _)| *place).collect();
    let awaited: Vec<_> =
        named.iter().enumerate().filter(|(place, _)| !here.contains(place)).map(|(_, of)| of).collect();
    if !awaited.is_empty() {
        sqlx::query(SQL)
            .bind(awaited.iter().map(|of| of.bucket.number().cast_signed()).collect::<Vec<_>>())
            .bind(awaited.iter().map(|of| of.tenant.as_str()).collect::<Vec<_>>())
            .bind(awaited.iter().map(|of| of.order_id.as_str()).collect::<Vec<_>>())
            .bind(awaited.iter().map(|of| of.customer_id.as_str()).collect::<Vec<_>>())
            .execute(connection)
            .await?;
    }
    Ok(found.into_iter().map(|(place, order)| (order, News::Events(new[place].clone()))).collect())
}
