//! An order's identity, read from its tuple.

use crate::id::Home;
use crate::tuple::{leading_fields, push_index_of};
use crate::{Lane, Timestamp};

/// Which order a tuple of lane `orders` is. Nothing checks the texts: Postgres refuses what is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The bucket of its customer, as its tuple has it; whether there is such a bucket is not checked.
    pub bucket: u16,
    /// Its tenant.
    pub tenant: &'a [u8],
    /// Its customer.
    pub customer_id: &'a [u8],
    /// Its time.
    pub ordered_at: Timestamp,
    /// Its id.
    pub order_id: &'a [u8],
}

const BUCKET: usize = Lane::Orders.place("bucket");
const TENANT: usize = Lane::Orders.place("tenant");
const CUSTOMER_ID: usize = Lane::Orders.place("customer_id");
const ORDER_ID: usize = Lane::Orders.place("order_id");
const FIELDS: usize = Lane::Orders.identity().len();

impl<'a> Identity<'a> {
    /// Reads it from a tuple of lane `orders` that was found before, and whose time is that.
    pub fn of(tuple: &'a [u8], ordered_at: Timestamp) -> Self {
        let mut fields = [&[][..]; FIELDS];
        for (to, field) in fields.iter_mut().zip(leading_fields(tuple)) {
            *to = field;
        }
        Self {
            // Two bytes, which was checked when the tuple was found.
            bucket: fields[BUCKET].try_into().map(u16::from_be_bytes).unwrap_or_default(),
            tenant: fields[TENANT],
            customer_id: fields[CUSTOMER_ID],
            ordered_at,
            order_id: fields[ORDER_ID],
        }
    }

    /// Where the id says that the order is, as far as the order's bucket agrees.
    pub fn home(&self) -> Option<Home> {
        let home = Home::of(str::from_utf8(self.order_id).ok()?)?;
        Some(home).filter(|home| home.bucket.number() == self.bucket)
    }

    /// Whether the id tells the order's bucket and time, so that the order needs no index entry.
    pub fn routes_itself(&self) -> bool {
        self.home().is_some_and(|home| home.is_of(home.bucket, self.ordered_at))
    }

    /// Appends the tuple that the order has in the table `order_time`: its columns are those of lane `index`, and its bucket is
    /// the order's.
    pub fn push_time(&self, out: &mut Vec<u8>) {
        push_index_of(out, self.bucket, self);
    }
}
