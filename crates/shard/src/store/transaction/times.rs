//! The times of orders whose ids do not tell them.
//!
//! The key of `orders` has the time in it, so it does not keep a customer's second order with the same id at another time out.
//! The table `order_time` does: it has one time for a customer's order id, and gets its rows in the transaction of the orders.
//! An order whose id routes itself has no row there, because another time would be another id.
//!
//! Somebody may still send such an id with another time, for instance to correct the order. That one is a *stray*: an order
//! whose id tells its bucket, and another time. Before its time is noted, that of the order at home is, if there is one. Not
//! seen are only two times within the millisecond that such an id tells, and a stray that was there before the order at home.

use std::collections::HashSet;
use std::iter;

use forebay_model::{Identity, Lane, Timestamp};
use sqlx::Executor;
use sqlx::postgres::PgConnection;

use super::arrange::in_key_order;
use crate::partition::{LATEST, Ranges};
use crate::step::{Step, StepError, step};
use crate::store::copy::{Sent, copy};
use crate::store::error::AttemptError;
use crate::store::lane::sift::RowRange;
use crate::timestamptz::Timestamptz;

/// What is to be noted of a batch.
#[derive(Debug, Default)]
pub(crate) struct Times {
    /// Tuples of `order_time`, in the order of the log.
    tuples: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
    strays: Vec<Stray>,
}

/// An order whose id tells its bucket, and another time.
#[derive(Debug)]
struct Stray {
    bucket: i16,
    tenant: String,
    customer_id: String,
    order_id: String,
    /// The millisecond that the id tells.
    home: (Timestamp, Timestamp),
}

impl Times {
    /// Those of a batch. Lanes other than `orders` have none.
    ///
    /// # Errors
    /// [`AttemptError::Violated`] where a row that was found whole cannot be read: without its time its id could be stored once more.
    pub(crate) fn of(lane: Lane, ranges: &[RowRange<'_>]) -> Result<Self, AttemptError> {
        let mut times = Self::default();
        if lane != Lane::Orders {
            return Ok(times);
        }
        let tuples = || ranges.iter().flat_map(|range| range.read());
        let orders = || tuples().map(|tuple| Ok::<_, AttemptError>(Identity::of(&tuple?)));
        for order in orders() {
            let order = order?;
            if !order.routes_itself() {
                times.strays.extend(Stray::of(&order));
                times.push(&order);
            }
        }
        if !times.strays.is_empty() {
            // The order at home may be in the same batch, before the stray or behind it: then the log decides which was first.
            let strays = times.strays.iter();
            let disputed: HashSet<_> = strays
                .map(|stray| [&stray.tenant, &stray.customer_id, &stray.order_id].map(String::as_bytes))
                .collect();
            let is_noted = |order: &Identity<'_>| {
                !order.routes_itself() || disputed.contains(&[order.tenant, order.customer_id, order.order_id])
            };
            let mut noted: Vec<_> = orders().collect::<Result<_, _>>()?;
            noted.retain(is_noted);
            times.tuples.clear();
            times.ends.clear();
            for order in &noted {
                times.push(order);
            }
        }
        Ok(times)
    }

    fn push(&mut self, order: &Identity<'_>) {
        order.push_time(&mut self.tuples);
        self.ends.push(self.tuples.len());
    }

    /// Notes them; a unique violation where one is noted already.
    pub(crate) async fn insert(&self, connection: &mut PgConnection) -> Result<(), StepError> {
        const SQL: &str =
            "copy order_time (bucket, tenant, order_id, customer_id, ordered_at) from stdin (format binary)";
        if self.tuples.is_empty() {
            return Ok(());
        }
        self.insert_those_at_home(connection).await?;
        let starts = iter::once(0).chain(self.ends.iter().copied());
        let tuples = starts
            .zip(&self.ends)
            .map(|(start, &end)| (Sent::as_they_are(&self.tuples[start..end]), Timestamp::EARLIEST));
        copy(connection, SQL, &in_key_order(Lane::Index, tuples, &Ranges::default())).await?;
        Ok(())
    }

    /// Notes those that are new. The first in the log wins.
    pub(crate) async fn insert_new(&self, connection: &mut PgConnection) -> Result<(), StepError> {
        const COPY: &str =
            "copy staged_time (bucket, tenant, order_id, customer_id, ordered_at) from stdin (format binary)";
        const SQL: &str = "insert into order_time (bucket, tenant, order_id, customer_id, ordered_at) \
            select bucket, tenant, order_id, customer_id, ordered_at from staged_time order by n on conflict do nothing";
        if self.tuples.is_empty() {
            return Ok(());
        }
        self.insert_those_at_home(connection).await?;
        copy(connection, COPY, &[Sent::as_they_are(&self.tuples)]).await?;
        step(Step::Rows, connection.execute(SQL)).await?;
        Ok(())
    }

    /// Notes the times of the orders that are stored where strays' ids say.
    async fn insert_those_at_home(&self, connection: &mut PgConnection) -> Result<(), StepError> {
        // The bounds leave out every partition that no id leads to.
        const SQL: &str = "insert into order_time (bucket, tenant, order_id, customer_id, ordered_at) \
            select o.bucket, o.tenant, o.order_id, o.customer_id, o.ordered_at \
            from unnest($3::int2[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[]) \
                as stray(bucket, tenant, customer_id, order_id, earliest, latest) \
            join orders o on o.bucket = stray.bucket and o.tenant = stray.tenant and o.customer_id = stray.customer_id \
                and o.ordered_at between stray.earliest and stray.latest and o.order_id = stray.order_id \
            where o.ordered_at between $1 and $2 order by o.ordered_at on conflict do nothing";
        let homes = || self.strays.iter().map(|stray| stray.home);
        let Some((earliest, latest)) = homes().reduce(|sum, home| (sum.0.min(home.0), sum.1.max(home.1))) else {
            return Ok(());
        };
        let insert = sqlx::query(SQL)
            .bind(Timestamptz(earliest))
            .bind(Timestamptz(latest))
            .bind(self.strays.iter().map(|stray| stray.bucket).collect::<Vec<_>>())
            .bind(self.strays.iter().map(|stray| &stray.tenant[..]).collect::<Vec<_>>())
            .bind(self.strays.iter().map(|stray| &stray.customer_id[..]).collect::<Vec<_>>())
            .bind(self.strays.iter().map(|stray| &stray.order_id[..]).collect::<Vec<_>>())
            .bind(homes().map(|home| Timestamptz(home.0)).collect::<Vec<_>>())
            .bind(homes().map(|home| Timestamptz(home.1)).collect::<Vec<_>>());
        step(Step::Rows, insert.execute(connection)).await?;
        Ok(())
    }
}

impl Stray {
    /// What is no text is no stray either: Postgres will refuse the order.
    fn of(order: &Identity<'_>) -> Option<Self> {
        let home = order.home().filter(|home| !home.is_of(home.bucket, order.ordered_at))?;
        let at = Timestamp::from_unix_us(home.unix_ms * 1000);
        (Timestamp::EARLIEST..LATEST).contains(&at).then_some(())?;
        Some(Self {
            bucket: home.bucket.number().cast_signed(),
            tenant: str::from_utf8(order.tenant).ok()?.to_owned(),
            customer_id: str::from_utf8(order.customer_id).ok()?.to_owned(),
            order_id: str::from_utf8(order.order_id).ok()?.to_owned(),
            home: (at, at.plus_us(999)),
        })
    }
}
