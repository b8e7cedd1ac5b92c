//! Which order.

use std::fmt;

use forebay_model::{Bucket, Identity, Tenant, Timestamp};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::timestamptz::Timestamptz;

/// Which order, among those of every tenant; in the order in which they are read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey {
    /// The order's time.
    pub ordered_at: Timestamp,
    /// Its id.
    pub order_id: String,
    /// Its customer.
    pub customer_id: String,
    /// Whose customer.
    pub tenant: Tenant,
}

impl OrderKey {
    /// Before every order: no id is empty.
    pub fn before_all() -> Self {
        let (order_id, customer_id) = (String::new(), String::new());
        Self { ordered_at: Timestamp::EARLIEST, order_id, customer_id, tenant: Tenant::default() }
    }

    /// Which order a tuple of lane `orders` is, with its bucket. What cannot be a text of Postgres was not stored.
    pub fn of(identity: &Identity<'_>) -> Option<(Bucket, Self)> {
        let text = |bytes: &[u8]| str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).map(str::to_owned);
        let key = Self {
            ordered_at: identity.ordered_at,
            order_id: text(identity.order_id)?,
            customer_id: text(identity.customer_id)?,
            tenant: Tenant::of_stored(text(identity.tenant)?),
        };
        Some((Bucket::new(identity.bucket)?, key))
    }

    /// Reads it from a row that has time, order id, customer and tenant from that column on.
    ///
    /// # Errors
    /// Where the row has others there.
    pub fn from_row(row: &PgRow, from: usize) -> Result<Self, sqlx::Error> {
        Ok(Self {
            ordered_at: row.try_get::<Timestamptz, _>(from)?.0,
            order_id: row.try_get(from + 1)?,
            customer_id: row.try_get(from + 2)?,
            tenant: Tenant::of_stored(row.try_get(from + 3)?),
        })
    }
}

impl fmt::Display for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "order {} of customer {} at {}", self.order_id, self.customer_id, self.ordered_at)?;
        if self.tenant.is_none() { Ok(()) } else { write!(f, " of tenant {}", self.tenant) }
    }
}
