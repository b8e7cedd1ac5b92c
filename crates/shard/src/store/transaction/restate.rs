//! The status of orders and what they come to, set in the transaction that stores what that follows from, by the very fold that readers
//! make, and sums with them. So at every position they are what follows from what is stored there, whatever was first, comes again, or is
//! restored with its shard.

use std::collections::{BTreeMap, BTreeSet};

use forebay_model::{Lane, StreamKind, Timestamp};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::sums::Sums;
use crate::read::eventful::Eventful;
use crate::read::status::{KEYS, RowKey, Standing, standings};
use crate::step::{Step, step};
use crate::store::error::AttemptError;
use crate::store::lane::LanePart;
use crate::store::lane::sift::RowRange;

/// How many rows are read at a time, with what happened to their orders.
const ROWS: usize = 2000;

/// Sets what is to be kept of what these parts of a transaction have brought, whose rows are stored; `eventful` are the orders that events are
/// about, where one of both is of these parts. Gives the times of the rows that are changed by it.
pub(crate) async fn restate(
    connection: &mut PgConnection,
    stream: StreamKind,
    parts: &[LanePart<'_>],
    eventful: &[Eventful],
) -> Result<Vec<Timestamp>, AttemptError> {
    let are_counted = stream == StreamKind::Derived || parts.iter().all(|part| !part.is_copied);
    let (lane, rows) = match stream {
        StreamKind::Logged => {
            let orders = eventful.iter().map(|of| RowKey::of_order(of.bucket, &of.order));
            (Lane::Orders, orders.collect::<BTreeSet<_>>())
        }
        StreamKind::Derived => (Lane::Views, eventful_views(connection, parts).await?),
    };
    // By time, so that those of one partition are read and set together.
    let mut rows: Vec<&RowKey> = rows.iter().collect();
    rows.sort_by_key(|row| row.ordered_at());
    let mut changed: Vec<(&RowKey, Standing)> = Vec::new();
    for rows in rows.chunks(ROWS) {
        let standings = step(Step::Rows, standings(connection, lane, rows)).await?;
        let others = standings.into_iter().filter(|standing| standing.stored != standing.follows);
        let others: Vec<(&RowKey, Standing)> = others.map(|standing| (rows[standing.place], standing)).collect();
        for (partition, others) in by_partition(&others) {
            step(Step::Rows, set(connection, lane, partition, &others)).await?;
        }
        changed.extend(others);
    }
    let mut sums = Sums::none(lane);
    for (row, standing) in changed.iter().filter(|_| are_counted) {
        sums.change(row, standing);
    }
    sums.add(connection).await?;
    Ok(changed.iter().map(|(row, _)| row.ordered_at()).collect())
}

fn by_partition<'a>(changed: &'a [(&RowKey, Standing)]) -> BTreeMap<&'a str, Vec<&'a Standing>> {
    let mut partitions: BTreeMap<&str, Vec<&Standing>> = BTreeMap::new();
    for (_, standing) in changed {
        partitions.entry(&standing.partition).or_default().push(standing);
    }
    partitions
}

/// Sets rows of a partition where they were read in this transaction. (By their keys, the planner would compare each row of a table that it
/// has no figures of with each that is wanted.)
async fn set(
    connection: &mut PgConnection,
    lane: Lane,
    partition: &str,
    changed: &[&Standing],
) -> Result<(), sqlx::Error> {
    let has_items = if lane == Lane::Views { ", has_items = wanted.has_items" } else { "" };
    let sql = format!(
        "update only {partition} as stored set status = wanted.status, amended = wanted.amended{has_items} \
         from unnest($1::text[]::tid[], $2::int2[], $3::int8[], $4::bool[]) as wanted(ctid, status, amended, has_items) \
         where stored.ctid = wanted.ctid"
    );
    let amended = || changed.iter().map(|standing| standing.follows.amended);
    sqlx::query(AssertSqlSafe(sql))
        .bind(changed.iter().map(|standing| standing.ctid.as_str()).collect::<Vec<_>>())
        .bind(changed.iter().map(|standing| standing.follows.status).collect::<Vec<_>>())
        .bind(amended().map(|items| items.map(|items| items.total)).collect::<Vec<_>>())
        .bind(amended().map(|items| items.map(|items| items.is_any)).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// The rows of views that events are about, where one of both is of these parts.
async fn eventful_views(
    connection: &mut PgConnection,
    parts: &[LanePart<'_>],
) -> Result<BTreeSet<RowKey>, AttemptError> {
    let mut rows = BTreeSet::new();
    for part in parts.iter().filter(|part| !part.ranges.is_empty()) {
        match part.lane {
            Lane::Views if step(Step::Rows, is_any_event(connection)).await? => {
                let views = keys(part.ranges)?;
                rows.extend(step(Step::Rows, preceded(connection, &views)).await?);
            }
            Lane::ViewEvents => rows.extend(keys(part.ranges)?),
            Lane::Orders | Lane::Events | Lane::Index | Lane::Views => {}
        }
    }
    Ok(rows)
}

async fn is_any_event(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select exists (select from view_events)").fetch_one(connection).await
}

/// Those of these rows of views whose events are here already.
async fn preceded(connection: &mut PgConnection, views: &[RowKey]) -> Result<Vec<RowKey>, sqlx::Error> {
    // One look at the primary key for each.
    let sql = format!(
        "select n from {KEYS} with ordinality as wanted(bucket, tenant, view, key, ordered_at, order_id, customer_id, n) \
         cross join lateral (select from view_events e where e.bucket = wanted.bucket and e.tenant = wanted.tenant \
            and e.view = wanted.view and e.key = wanted.key and e.ordered_at = wanted.ordered_at \
            and e.order_id = wanted.order_id and e.customer_id = wanted.customer_id limit 1) as found"
    );
    let wanted: Vec<&RowKey> = views.iter().collect();
    let found = RowKey::bind(sqlx::query(AssertSqlSafe(sql)), &wanted).fetch_all(connection).await?;
    let place =
        |row: &sqlx::postgres::PgRow| Ok::<_, sqlx::Error>((sqlx::Row::try_get::<i64, _>(row, 0)? - 1) as usize);
    found.iter().map(|row| Ok(views[place(row)?].clone())).collect()
}

/// The rows of views that stored rows are, or belong to. One that cannot be read would keep a status that does not follow from its events.
pub(super) fn keys(stored: &[RowRange<'_>]) -> Result<Vec<RowKey>, AttemptError> {
    let key = |tuple: Result<_, _>| {
        RowKey::of_view(&tuple?).ok_or_else(|| AttemptError::unreadable(&"it is no row of a view"))
    };
    stored.iter().flat_map(|range| range.read()).map(key).collect()
}
