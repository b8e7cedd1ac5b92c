//! Orders and the events about them, whichever is stored last. What happened to an order is derived for views together with the order, and
//! caches are told of the order's customer and time: so of each event its order is found in the transaction that stores it, and where that is
//! not here yet, it is noted as awaited, so that it is seen when it comes.

use std::collections::{BTreeMap, BTreeSet};

use forebay_model::{Bucket, Identity, Lane};
use sqlx::postgres::PgConnection;

use crate::read::eventful::{self, OrderRef};
use crate::read::stored_order::OrderKey;
use crate::store::lane::LanePart;
use crate::store::step::{Step, StepError, step};

/// The stored orders that events are about, where one of both is of these parts of a transaction, whose rows are stored.
pub(crate) async fn eventful(
    connection: &mut PgConnection,
    parts: &[LanePart<'_>],
) -> Result<Vec<(Bucket, OrderKey)>, StepError> {
    let mut eventful = BTreeSet::new();
    for part in parts.iter().filter(|part| !part.ranges.is_empty()) {
        match part.lane {
            Lane::Orders => eventful.extend(step(Step::Rows, no_longer_awaited(connection, part)).await?),
            Lane::Events => eventful.extend(step(Step::Rows, happened_to(connection, part)).await?),
            Lane::Index | Lane::Views | Lane::ViewEvents => {}
        }
    }
    Ok(eventful.into_iter().collect())
}

/// The stored orders that events were waiting for, and that came by these. (Of two with one id the other may be dead.)
async fn no_longer_awaited(
    connection: &mut PgConnection,
    orders: &LanePart<'_>,
) -> Result<Vec<(Bucket, OrderKey)>, sqlx::Error> {
    const IS_ANY: &str = "select exists (select from order_awaited)";
    // One look at the primary key for each order.
    const SQL: &str = "delete from order_awaited a using unnest($1::int2[], $2::text[], $3::text[], $4::text[]) \
            as stored(bucket, tenant, order_id, customer_id) \
        where a.bucket = stored.bucket and a.tenant = stored.tenant and a.order_id = stored.order_id \
            and a.customer_id in ('', stored.customer_id) returning a.bucket, a.tenant, a.order_id, a.customer_id";
    if !sqlx::query_scalar::<_, bool>(IS_ANY).fetch_one(&mut *connection).await? {
        return Ok(Vec::new());
    }
    let tuples = orders.ranges.iter().flat_map(|range| range.tuples());
    let stored: Vec<_> =
        tuples.filter_map(|(tuple, entry)| OrderKey::of(&Identity::of(tuple, entry.ordered_at))).collect();
    let awaited = sqlx::query(SQL)
        .bind(stored.iter().map(|(bucket, _)| bucket.number().cast_signed()).collect::<Vec<_>>())
        .bind(stored.iter().map(|(_, key)| key.tenant.as_str()).collect::<Vec<_>>())
        .bind(stored.iter().map(|(_, key)| key.order_id.as_str()).collect::<Vec<_>>())
        .bind(stored.iter().map(|(_, key)| key.customer_id.as_str()).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await?;
    let awaited: Vec<OrderRef> = awaited.iter().map(OrderRef::from_row).collect::<Result<_, _>>()?;
    Ok(eventful::orders(connection, &awaited).await?.into_iter().map(|(_, order)| order).collect())
}

/// The stored orders that these events are about. Those that are not here are awaited.
async fn happened_to(
    connection: &mut PgConnection,
    events: &LanePart<'_>,
) -> Result<Vec<(Bucket, OrderKey)>, sqlx::Error> {
    const SQL: &str = "insert into order_awaited (bucket, tenant, order_id, customer_id) \
        select * from unnest($1::int2[], $2::text[], $3::text[], $4::text[]) on conflict do nothing";
    let named: BTreeSet<_> = events.ranges.iter().flat_map(|range| OrderRef::all_of(range.bytes())).collect();
    let named: Vec<_> = named.into_iter().collect();
    let found: BTreeMap<_, _> = eventful::orders(&mut *connection, &named).await?.into_iter().collect();
    let awaited: Vec<_> =
        named.iter().enumerate().filter(|(place, _)| !found.contains_key(place)).map(|(_, of)| of).collect();
    if !awaited.is_empty() {
        sqlx::query(SQL)
            .bind(awaited.iter().map(|of| of.bucket.number().cast_signed()).collect::<Vec<_>>())
            .bind(awaited.iter().map(|of| of.tenant.as_str()).collect::<Vec<_>>())
            .bind(awaited.iter().map(|of| of.order_id.as_str()).collect::<Vec<_>>())
            .bind(awaited.iter().map(|of| of.customer_id.as_str()).collect::<Vec<_>>())
            .execute(connection)
            .await?;
    }
    Ok(found.into_values().collect())
}
